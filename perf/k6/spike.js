import { ordersBy } from "./lib/profile.js";

// A newsletter: 5 customers, at once 100, and 5 again, who must notice nothing of it.
export const options = ordersBy({
  from: 5,
  stages: [
    [1, 5],
    [0.2, 100],
    [1.8, 100],
    [0.2, 5],
    [1.8, 5],
  ],
});
export { placeOrder as default } from "./lib/orders.js";
export { setup } from "./lib/shop.js";

import { ordersBy } from "./lib/profile.js";

// Where it begins to hurt: step by step to 100 customers.
export const options = ordersBy({
  stages: [
    [2, 20],
    [3, 20],
    [2, 50],
    [3, 50],
    [2, 100],
    [5, 100],
    [2, 0],
  ],
});
export { placeOrder as default } from "./lib/orders.js";
export { setup } from "./lib/shop.js";

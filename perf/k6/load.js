import { ordersBy } from "./lib/profile.js";

// A day as it should be: up to 20 customers.
export const options = ordersBy({
  stages: [
    [2, 10],
    [5, 10],
    [2, 20],
    [5, 20],
    [2, 0],
  ],
});
export { placeOrder as default } from "./lib/orders.js";
export { setup } from "./lib/shop.js";

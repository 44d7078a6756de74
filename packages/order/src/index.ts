export { envToConfig, type OrderConfig } from "./config.ts";
export { orderFailpoints } from "./failpoints.ts";
export { createOrderService, type OrderOverrides } from "./order-service.ts";

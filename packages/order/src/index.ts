export { envToConfig, type OrderConfig } from "./config.ts";
export { createOrderService, type OrderOverrides } from "./order-service.ts";

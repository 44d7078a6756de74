export { envToConfig, type OrderConfig } from "./config.ts";
export { orderFailpoints } from "./failpoints.ts";
export { type Order, PLACE_ORDER, paymentIdOf } from "./order.ts";
export { createOrderService, type OrderOverrides, paymentClient } from "./order-service.ts";
export { createOrderStore } from "./order-store.ts";
export { charge, refundAll } from "./payments.ts";
export { type PlaceInput, placeOrderSaga } from "./sagas.ts";

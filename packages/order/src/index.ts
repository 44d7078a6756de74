export { envToConfig, type OrderConfig, orderSettings } from "./config.ts";
export { orderFailpoints } from "./failpoints.ts";
export { CANCEL_ORDER, type Order, PLACE_ORDER, paymentIdOf } from "./order.ts";
export { createOrderService, type OrderOverrides } from "./order-service.ts";
export { charge, paymentClient, refundAll } from "./payment-client.ts";
export { MIGRATIONS as orderMigrations, postgresStore } from "./postgres-store.ts";
export { type SagaPath, sagaPaths } from "./saga-paths.ts";
export { type PlaceInput, placeOrderSaga } from "./sagas.ts";

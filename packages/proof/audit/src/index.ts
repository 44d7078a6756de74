export { auditMoney } from "./audit.ts";
export {
  countByStatus,
  findViolations,
  movementsOf,
  paymentOf,
  unfinished,
} from "./invariants.ts";
export {
  readSnapshot,
  type SagaEventRow,
  type SagaRow,
  type Snapshot,
  type Sources,
} from "./snapshot.ts";
export { isUnavailable } from "./unavailable.ts";
export { untilSettled } from "./until-settled.ts";
export { type UnpaidOrders, watchUnpaidOrders } from "./watch-unpaid-orders.ts";

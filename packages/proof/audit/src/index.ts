export { type AuditOptions, type AuditReport, auditMoney } from "./audit.ts";
export {
  type Everything,
  readEverything,
  type SagaEventRow,
  type SagaRow,
  type Sources,
} from "./everything.ts";
export { moved, paymentOf, settled, unfinished, violations } from "./invariants.ts";
export { untilSettled } from "./until-settled.ts";
export { type UnpaidOrders, watchUnpaidOrders } from "./watch-unpaid-orders.ts";

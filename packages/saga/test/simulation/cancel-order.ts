import {
  initial,
  local,
  type Move,
  remote,
  type SagaDefinition,
  type StepCall,
} from "../../src/index.ts";
import { refund, type SagaDependencies, TIMES } from "./place-order.ts";

export interface CancelInput {
  readonly paymentId: string;
}

/**
 * The saga of the order service that cancels a confirmed order, step by step:
 * packages/order/src/sagas.ts. There is no way back.
 */
export function cancelOrder(deps: SagaDependencies): SagaDefinition<CancelInput> {
  const { connection, worker } = deps;
  return {
    kind: "cancel-order",
    version: 1,
    steps: [
      initial({ name: "request" }),
      remote<CancelInput>({
        name: "refund",
        run: (call) => refund(deps, toRefund(deps, call), call.signal),
      }),
      local({
        name: "restock",
        run: (moves) => connection.query((database) => database.restock(moves, worker())),
      }),
    ],
    recovery: "forward",
    deadlineMs: TIMES.compensationBudgetMs,
    compensationBudgetMs: TIMES.compensationBudgetMs,
    deadlineFailure: { reason: "PAYMENT_UNAVAILABLE", message: "too late" },
    syncSubject: (moves: readonly Move[]) =>
      connection.query((database) => database.reflect(moves, worker())),
    parse: (input) => input as CancelInput,
  };
}

function toRefund(
  { defect, process }: SagaDependencies,
  { input, subject, key, attempt }: StepCall<CancelInput>,
) {
  const refundId =
    defect === "refund without key" ? `${key}, attempt ${attempt} of ${process.name}` : key;
  return { paymentId: input.paymentId, refundId, orderId: subject };
}

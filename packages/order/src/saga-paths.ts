import type { AnySaga } from "@tercet/saga";
import { cancelOrderSaga, type OrderSagaDeps, placeOrderSaga } from "./sagas.ts";

/** Returns every definition whose sagas this version of the service can continue. */
export const orderSagas = (deps: OrderSagaDeps) => ({
  placeOrder: placeOrderSaga(deps),
  cancelOrder: cancelOrderSaga(deps),
});

/** The steps of one version of a saga, in order. */
export interface SagaPath {
  readonly kind: string;
  readonly version: number;
  readonly recovery: AnySaga["recovery"];
  readonly steps: readonly StepPath[];
}

export interface StepPath {
  readonly name: string;
  readonly kind: AnySaga["steps"][number]["kind"];
  readonly hasUndo: boolean;
}

const toPath = ({ kind, version, recovery, steps }: AnySaga): SagaPath => ({
  kind,
  version,
  recovery,
  steps: steps.map(({ name, kind, undo }) => ({ name, kind, hasUndo: undo !== undefined })),
});

/** The definitions hold functions of these, and none is called to describe them. */
const notCalled = new Proxy(
  {},
  { get: (_, name) => () => Promise.reject(new Error(`${String(name)} is not called`)) },
);

/** The path of each definition, for those who read stored sagas and drive none. */
export const sagaPaths: readonly SagaPath[] = Object.values(
  orderSagas({
    orders: notCalled as OrderSagaDeps["orders"],
    payments: notCalled as OrderSagaDeps["payments"],
    times: { deadlineMs: 0, compensationBudgetMs: 0 },
  }),
).map(toPath);

import {
  initial,
  local,
  type Move,
  RetryableError,
  remote,
  type SagaDefinition,
  TerminalError,
  UnknownOutcomeError,
  type Worker,
} from "../../src/index.ts";
import type { Connection } from "./connection.ts";
import type { Defect } from "./defects.ts";
import type { Network } from "./network.ts";
import type { Answer, Payment, Refund } from "./payment.ts";
import type { Process } from "./process.ts";

export interface PlaceInput {
  readonly paymentId: string;
  readonly amount: bigint;
  readonly declined: boolean;
}

/** The one payment of an order. */
export const paymentOf = (orderId: string): string => `payment of ${orderId}`;

/** What an order's sagas work with, in one process. */
export interface SagaDependencies {
  readonly process: Process;
  readonly connection: Connection;
  readonly network: Network;
  readonly payment: Payment;
  readonly worker: () => Worker;
  readonly defect: Defect | undefined;
  /** Orders whose charge is known to have succeeded, where the undo is registered too late. */
  readonly registered: Set<string>;
}

/**
 * In milliseconds. Nobody is to be asked about a fault that passed: the budget is far longer than
 * any backoff has become when the faults end.
 */
export const TIMES = { deadlineMs: 12_000, compensationBudgetMs: 300_000 };

/** The saga of the order service, step by step: packages/order/src/sagas.ts. */
export function placeOrder(deps: SagaDependencies): SagaDefinition<PlaceInput> {
  const { connection, worker } = deps;
  return {
    kind: "place-order",
    version: 1,
    steps: [
      initial({
        name: "create",
        undo: (moves) => connection.query((database) => database.close(moves, worker())),
      }),
      remote<PlaceInput>({
        name: "charge",
        run: ({ input, subject, attempt, signal }) => charge(deps, subject, input, attempt, signal),
        undo: ({ input, subject, key, signal }) => undoCharge(deps, subject, input, key, signal),
      }),
      local({
        name: "allocate",
        run: (moves) => connection.query((database) => database.confirm(moves, worker())),
      }),
    ],
    recovery: "backward",
    ...TIMES,
    deadlineFailure: { reason: "PAYMENT_UNAVAILABLE", message: "too late" },
    syncSubject: (moves: readonly Move[]) =>
      connection.query((database) => database.reflect(moves, worker())),
    parse: (input) => input as PlaceInput,
  };
}

async function charge(
  deps: SagaDependencies,
  orderId: string,
  input: PlaceInput,
  attempt: number,
  signal: AbortSignal,
): Promise<void> {
  const { process, network, payment, defect, registered } = deps;
  const paymentId =
    defect === "charge without key"
      ? `${input.paymentId}, attempt ${attempt} of ${process.name}`
      : input.paymentId;
  const answer = await network.call(
    process,
    (reply) => payment.charge({ ...input, paymentId, orderId }, reply),
    signal,
  );
  if (answer === "DECLINED") throw new TerminalError("PAYMENT_DECLINED", "declined");
  if (answer === "ABANDONED" || answer === "VOIDED" || answer === "REFUNDED")
    throw new TerminalError("PAYMENT_UNAVAILABLE", answer);
  if (answer !== "SUCCEEDED") throw unsettled(answer);
  registered.add(orderId);
}

async function undoCharge(
  deps: SagaDependencies,
  orderId: string,
  { paymentId }: PlaceInput,
  key: string,
  signal: AbortSignal,
): Promise<void> {
  if (deps.defect === "undo registered after the step" && !deps.registered.has(orderId)) return;
  await refund(deps, { paymentId, refundId: key, orderId }, signal);
}

/**
 * All of it; where there was no charge there is nothing to give back, and nothing can come after.
 */
export async function refund(
  { process, network, payment }: SagaDependencies,
  request: Refund,
  signal: AbortSignal,
): Promise<void> {
  const answer = await network.call(process, (reply) => payment.refund(request, reply), signal);
  const over: readonly Answer[] = ["REFUNDED", "VOIDED", "DECLINED", "ABANDONED"];
  if (!over.includes(answer)) throw unsettled(answer);
}

const unsettled = (answer: Answer): Error =>
  answer === "IN_PROGRESS" ? new RetryableError(answer) : new UnknownOutcomeError(answer);

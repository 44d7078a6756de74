import { type Order, OrderStatus } from "@tercet/gen/order/v1/order_service";
import { SagaAction, type SagaEvent, SagaOutcome } from "@tercet/gen/order/v1/saga_event";
import { formatMoney, formatSpan, msOf, spanOf } from "../ui/format.ts";
import type { TakeOver } from "./gantt.ts";

type Told = Pick<Order, "status" | "timeline" | "failure" | "createTime" | "total" | "refunded">;

/** Tells an order's timeline in one or two sentences. */
export function storyOf(order: Told, takeOvers: readonly TakeOver[]): string {
  const [first, ...more] = [...crashOf(order, takeOvers), ...coursesOf(order)];
  return [first, ...more]
    .filter((part) => part !== undefined && part !== "")
    .map((part) => `${upperFirst(part ?? "")}.`)
    .join(" ");
}

function crashOf({ timeline }: Told, takeOvers: readonly TakeOver[]): string[] {
  const [first] = takeOvers;
  if (first === undefined) return [];
  const before = timeline.filter(
    (event) => (msOf(event.time) ?? 0) < first.atMs && event.outcome === SagaOutcome.SUCCEEDED,
  );
  const charged = before.some(({ step, action }) => step === "charge" && action === SagaAction.RUN);
  return [
    `its worker died ${charged ? "after charging" : "before the charge was known"}; another one took over after ${formatSpan(first.afterMs)}`,
  ];
}

function coursesOf(order: Told): string[] {
  const charge = chargeOf(order.timeline);
  switch (order.status) {
    case OrderStatus.PENDING:
      return [charge.done ? `${charge.text}, taking the stock` : waitingFor(order.timeline)];
    case OrderStatus.CONFIRMED:
      return [`${charge.text} and confirmed in ${formatSpan(tookMs(order))}`];
    case OrderStatus.REJECTED:
      return [`rejected without a charge: ${reasonOf(order)}`];
    case OrderStatus.CANCELLING:
      return [`${reasonOf(order)}: the refund of ${formatMoney(order.total)} is on its way`];
    case OrderStatus.CANCELLED:
      return [cancelled(order, charge.done)];
    case OrderStatus.NEEDS_ATTENTION:
      return [`it waits for an operator: ${lastProblem(order.timeline) ?? reasonOf(order)}`];
    default:
      return [];
  }
}

function cancelled(order: Told, charged: boolean): string {
  const { timeline, refunded } = order;
  if (timeline.at(-1)?.outcome === SagaOutcome.RESOLVED)
    return "an operator settled it outside the system and closed it";
  if (!charged) return `${reasonOf(order)}; nothing was charged`;
  // The order shows the sum a little later than its saga has given it back.
  const shown = refunded !== undefined && refunded.minorUnits > 0n;
  const amount = shown || !gaveBackAll(timeline) ? refunded : order.total;
  return `${reasonOf(order)}; ${formatMoney(amount)} refunded`;
}

const gaveBackAll = (timeline: readonly SagaEvent[]): boolean =>
  timeline.some(
    ({ step, action, outcome }) =>
      outcome === SagaOutcome.SUCCEEDED &&
      (step === "refund" || (step === "charge" && action === SagaAction.UNDO)),
  );

interface Charge {
  readonly done: boolean;
  readonly text: string;
}

function chargeOf(timeline: readonly SagaEvent[]): Charge {
  const attempts = timeline.filter(
    ({ step, action, outcome }) =>
      step === "charge" && action === SagaAction.RUN && outcome !== SagaOutcome.STARTED,
  );
  const done = attempts.some(({ outcome }) => outcome === SagaOutcome.SUCCEEDED);
  const times = attempts.length > 1 ? ` after ${attempts.length} attempts` : "";
  return { done, text: `charged${times}` };
}

function waitingFor(timeline: readonly SagaEvent[]): string {
  const last = timeline.at(-1);
  const again =
    last?.outcome === SagaOutcome.UNKNOWN || last?.outcome === SagaOutcome.RETRY_SCHEDULED;
  return again ? `waiting to repeat the charge: ${last.message}` : "waiting for the payment";
}

const REASONS: Readonly<Record<string, string>> = {
  PAYMENT_DECLINED: "the card was declined",
  OUT_OF_STOCK: "the stock was gone",
  PAYMENT_UNAVAILABLE: "the payment could not be settled in time",
  CANCELLED_BY_CUSTOMER: "cancelled by the customer",
  CANCELLED_BY_OPERATOR: "cancelled by an operator",
};

/** Also of a payment's `decline_reason`, which is in the failure's message. */
const DECLINES: readonly (readonly [string, string])[] = [
  ["INSUFFICIENT_FUNDS", "the card has insufficient funds"],
  ["LIMIT_EXCEEDED", "the amount is above the card's limit"],
  ["ABANDONED", "the provider was never reached"],
];

export function reasonOf({ failure }: Pick<Order, "failure">): string {
  if (failure === undefined) return "it is being undone";
  const decline = DECLINES.find(([code]) => failure.message.includes(code));
  if (failure.reason === "PAYMENT_DECLINED" && decline !== undefined) return decline[1];
  return REASONS[failure.reason] ?? failure.message;
}

const lastProblem = (timeline: readonly SagaEvent[]): string | undefined =>
  timeline.findLast(({ message }) => message !== "")?.message;

function tookMs({ createTime, timeline }: Told): number {
  const placed = timeline.findLast(({ step }) => step === "allocate");
  const end = (msOf(placed?.time) ?? 0) + spanOf(placed?.duration);
  return Math.max(0, end - (msOf(createTime) ?? end));
}

const upperFirst = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);

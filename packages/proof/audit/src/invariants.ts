import type { BookEntry } from "@tercet/payment";
import type { Money } from "@tercet/service";
import type { OrderRow, SagaRow, Snapshot } from "./snapshot.ts";

/** Returns the number of orders in each status. */
export const countByStatus = ({ orders }: Pick<Snapshot, "orders">): Record<string, number> =>
  Object.fromEntries(
    [...Map.groupBy(orders, ({ status }) => status)].map(([status, some]) => [status, some.length]),
  );

const ENDED: ReadonlySet<string> = new Set([
  "CONFIRMED",
  "REJECTED",
  "CANCELLED",
  "COMPLETED",
  "COMPENSATED",
]);
const isOpen = (state: string): boolean => !ENDED.has(state);

/**
 * I3: returns a sentence for each order, saga and payment that has not ended, parked ones included.
 */
export function unfinished({ orders, sagas, payments }: Snapshot): string[] {
  return [
    ...orders
      .filter(({ status }) => isOpen(status))
      .map(({ id, status }) => `I3: order ${id} is ${status}`),
    ...sagas
      .filter(({ state }) => isOpen(state))
      .map(({ kind, subject, state }) => `I3: ${kind} of order ${subject} is ${state}`),
    ...payments
      .filter(({ waits }) => waits)
      .map(({ id, status }) => `I3: payment ${id} waits for the provider (${status})`),
  ];
}

/** Removes open orders and all that belongs to them: the rest must hold at any time. */
export function withoutOpenOrders(snapshot: Snapshot): Snapshot {
  const { orders, sagas, payments, requests, book } = snapshot;
  const waiting = new Set(payments.filter(({ waits }) => waits).map(({ id }) => id));
  const busy = new Set(sagas.filter(({ state }) => isOpen(state)).map(({ subject }) => subject));
  const underWay = orders.filter(
    ({ id, status, paymentId }) => isOpen(status) || busy.has(id) || waiting.has(paymentId),
  );
  const open = new Set(underWay.map(({ id }) => id));
  const unpaid = new Set([...waiting, ...underWay.map(({ paymentId }) => paymentId)]);
  return {
    orders: orders.filter(({ id }) => !open.has(id)),
    sagas: sagas.filter(({ subject }) => !open.has(subject)),
    requests: requests.filter(({ resourceId }) => !open.has(resourceId)),
    payments: payments.filter(({ id }) => !unpaid.has(id)),
    book: book.filter((entry) => !unpaid.has(paymentOf(entry))),
  };
}

export const paymentOf = (entry: BookEntry): string =>
  entry.kind === "refund" ? entry.chargeKey : entry.key;

/**
 * Returns a sentence for each violated invariant, which names the order, payment or request.
 * `acknowledged`: the order ids that clients received, by request_id.
 */
export function findViolations(
  snapshot: Snapshot,
  acknowledged: ReadonlyMap<string, string> = new Map(),
): string[] {
  const { orders, sagas, payments, book } = snapshot;
  const entries = Map.groupBy(book, paymentOf);
  const statuses = new Map(payments.map(({ id, status }) => [id, status]));
  const ofOrder = Map.groupBy(sagas, ({ subject }) => subject);
  return [
    ...booksThatDiffer(snapshot),
    ...chargesWithoutOrder(snapshot),
    ...orders.flatMap((order) =>
      wrongMoney(
        order,
        movementsOf(entries.get(order.paymentId)),
        statuses.get(order.paymentId) ?? MISSING,
      ),
    ),
    ...lostRequests(snapshot, acknowledged),
    ...sagas.flatMap(illegalPath),
    ...orders.flatMap((order) => tornOrder(order, ofOrder.get(order.id) ?? [])),
  ];
}

/**
 * Returns the fully refunded payments that belong to no order: those of orders that are missing in
 * a restored database.
 */
export function refundedStrays({ orders, book }: Snapshot): string[] {
  const known = new Set(orders.map(({ paymentId }) => paymentId));
  const strays = [...Map.groupBy(book, paymentOf)].filter(([paymentId]) => !known.has(paymentId));
  return strays
    .filter(([, entries]) => [...netCaptured(entries).values()].every((left) => left === 0n))
    .map(([paymentId]) => paymentId);
}

/** The entries of one payment in the provider's book. */
export interface Movements {
  readonly charges: readonly Money[];
  readonly refunds: readonly Money[];
}

export const movementsOf = (entries: readonly BookEntry[] = []): Movements => ({
  charges: entries.filter(({ kind }) => kind === "charge").map(({ amount }) => amount),
  refunds: entries.filter(({ kind }) => kind === "refund").map(({ amount }) => amount),
});

/** I1: in each currency, net captured is what the confirmed orders cost. */
function booksThatDiffer({ orders, book }: Snapshot): string[] {
  const sold = sums(
    orders
      .filter(({ status }) => status === "CONFIRMED")
      .map(({ currencyCode, minorUnits }) => [currencyCode, minorUnits]),
  );
  const paid = netCaptured(book);
  return [...new Set([...sold.keys(), ...paid.keys()])]
    .filter((currency) => (sold.get(currency) ?? 0n) !== (paid.get(currency) ?? 0n))
    .map(
      (currency) =>
        `I1: the provider kept ${paid.get(currency) ?? 0n} ${currency}, the orders cost ${sold.get(currency) ?? 0n}`,
    );
}

/** Returns charges less refunds, in minor units by currency. */
export function netCaptured(book: readonly BookEntry[]): ReadonlyMap<string, bigint> {
  const moves = book.filter(({ kind }) => kind !== "decline");
  return sums(
    moves.map(({ kind, amount: { currencyCode, minorUnits } }) => [
      currencyCode,
      kind === "refund" ? -minorUnits : minorUnits,
    ]),
  );
}

function sums(amounts: readonly (readonly [string, bigint])[]): ReadonlyMap<string, bigint> {
  const totals = new Map<string, bigint>();
  for (const [currency, minorUnits] of amounts)
    totals.set(currency, (totals.get(currency) ?? 0n) + minorUnits);
  return totals;
}

/** I5: each charge and refund belongs to an order. */
function chargesWithoutOrder({ orders, book }: Snapshot): string[] {
  const known = new Set(orders.map(({ paymentId }) => paymentId));
  const strays = book.filter((entry) => !known.has(paymentOf(entry)));
  return strays.map(
    ({ kind, key, amount }) =>
      `I5: the ${kind} ${key} (${amount.minorUnits} ${amount.currencyCode}) belongs to no order`,
  );
}

/** Payment refused to create it, or was never reached. */
const MISSING = "missing";

/**
 * I2 and I5: a confirmed order was charged once and not refunded; any other was, if charged,
 * refunded once in full; and the payment's status agrees.
 */
function wrongMoney(
  { id, status, currencyCode, minorUnits }: OrderRow,
  { charges, refunds }: Movements,
  paymentStatus: string,
): string[] {
  const text = `order ${id} (${status}): ${charges.length} charges, ${refunds.length} refunds`;
  const all = (amounts: readonly Money[]) =>
    amounts.every(
      (amount) => amount.currencyCode === currencyCode && amount.minorUnits === minorUnits,
    );
  const right = { CONFIRMED: ["SUCCEEDED"], REJECTED: ["DECLINED", MISSING] }[status as string] ?? [
    "REFUNDED",
    "VOIDED",
    "DECLINED",
  ];
  return [
    ...(charges.length > 1 || refunds.length > 1 || !all([...charges, ...refunds])
      ? [`I2: ${text}`]
      : []),
    ...(charges.length - refunds.length === (status === "CONFIRMED" ? 1 : 0)
      ? []
      : [`I5: ${text}`]),
    ...(right.includes(paymentStatus)
      ? []
      : [`I5: order ${id} (${status}): its payment is ${paymentStatus}`]),
  ];
}

/** I4: acknowledged orders exist under their request_id; each order has one request. */
function lostRequests(
  { orders, requests }: Snapshot,
  acknowledged: ReadonlyMap<string, string>,
): string[] {
  const placed = new Map(
    requests
      .filter(({ method }) => method === "CreateOrder")
      .map((request) => [request.requestId, request.resourceId]),
  );
  const known = new Set(orders.map(({ id }) => id));
  const asked = new Map<string, number>();
  for (const orderId of placed.values()) asked.set(orderId, (asked.get(orderId) ?? 0) + 1);
  return [
    ...[...acknowledged]
      .filter(([requestId, orderId]) => placed.get(requestId) !== orderId)
      .map(
        ([requestId, orderId]) =>
          `I4: request ${requestId} was answered with order ${orderId}, stored is ${placed.get(requestId)}`,
      ),
    ...orders
      .filter(({ id }) => asked.get(id) !== 1)
      .map(({ id }) => `I4: order ${id} has ${asked.get(id) ?? 0} requests`),
    ...[...asked.keys()].filter((id) => !known.has(id)).map((id) => `I4: there is no order ${id}`),
  ];
}

const STEPS = {
  "place-order": ["create", "charge", "allocate"],
  "cancel-order": ["request", "refund", "restock"],
} as const;

/** I6: steps run once each, in order; then undos, if any, in reverse; and nothing after the end. */
function illegalPath({ kind, subject, state, events }: SagaRow): string[] {
  const done = (action: string) =>
    events
      .filter((event) => event.action === action && event.outcome === "SUCCEEDED")
      .map(({ step }) => step);
  const steps = STEPS[kind];
  const [ran, undone] = [done("RUN"), done("UNDO")];
  const turned = events.findIndex(({ action }) => action === "UNDO");
  const last = events.at(-1);
  const legal =
    ran.join() === steps.slice(0, ran.length).join() &&
    undone.join() ===
      [...steps]
        .reverse()
        .slice(steps.length - undone.length)
        .join() &&
    (turned === -1 || events.slice(turned).every(({ action }) => action === "UNDO")) &&
    (state === "COMPLETED"
      ? ran.length === steps.length && undone.length === 0 && last?.step === steps.at(-1)
      : undone.at(-1) === steps[0] && last?.step === steps[0]) &&
    last?.outcome === "SUCCEEDED";
  const path = events.map(({ step, action, outcome }) => `${action} ${step} ${outcome}`).join(", ");
  return legal ? [] : [`I6: ${kind} of order ${subject} is ${state} by ${path}`];
}

/** I8: the order statuses that each combination of saga states allows. */
const ENDINGS: Readonly<Record<string, readonly OrderRow["status"][]>> = {
  COMPLETED: ["CONFIRMED"],
  COMPENSATED: ["REJECTED", "CANCELLED"],
  "COMPLETED, COMPLETED": ["CANCELLED"],
};

function tornOrder({ id, status }: OrderRow, sagas: readonly SagaRow[]): string[] {
  // place-order before cancel-order.
  const states = [...sagas]
    .sort((a, b) => b.kind.localeCompare(a.kind))
    .map(({ state }) => state)
    .join(", ");
  return ENDINGS[states]?.includes(status)
    ? []
    : [`I8: order ${id} is ${status}, its sagas are ${states || "missing"}`];
}

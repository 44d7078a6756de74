import type { BookEntry } from "@tercet/payment";
import type { Money } from "@tercet/service";
import type { OrderRow, SagaRow, Snapshot } from "./snapshot.ts";

/** Returns the number of orders in each status. */
export const countByStatus = ({ orders }: Pick<Snapshot, "orders">): Record<string, number> =>
  Object.fromEntries(
    [...Map.groupBy(orders, ({ status }) => status)].map(([status, some]) => [status, some.length]),
  );

/** The final states of orders and sagas. */
const ENDED = ["CONFIRMED", "REJECTED", "CANCELLED", "COMPLETED", "COMPENSATED"];
const isOpen = (state: string): boolean => !ENDED.includes(state);

/**
 * I3: returns a sentence for each order, saga and payment that has not ended, parked ones included.
 */
export function unfinished({ orders, sagas, payments }: Snapshot): string[] {
  const open = [
    ...orders.map(({ id, status }) => ({ what: `order ${id}`, state: status })),
    ...sagas.map(({ kind, subject, state }) => ({ what: `${kind} of order ${subject}`, state })),
  ].filter(({ state }) => isOpen(state));
  const waiting = payments.filter(({ waits }) => waits);
  return [
    ...open.map(({ what, state }) => `I3: ${what} is ${state}`),
    ...waiting.map(({ id, status }) => `I3: payment ${id} waits for the provider (${status})`),
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

/** Returns the amounts of one payment's entries in the provider's book. */
export const movementsOf = (entries: readonly BookEntry[] = []) => ({
  charges: entries.filter(({ kind }) => kind === "charge").map(({ amount }) => amount),
  refunds: entries.filter(({ kind }) => kind === "refund").map(({ amount }) => amount),
});

/** I1: in each currency, net captured is what the confirmed orders cost. */
function booksThatDiffer({ orders, book }: Snapshot): string[] {
  const sold = sums(orders.filter(({ status }) => status === "CONFIRMED"));
  const paid = netCaptured(book);
  return [...new Set([...sold.keys(), ...paid.keys()])].flatMap((currency) => {
    const [kept, cost] = [paid.get(currency) ?? 0n, sold.get(currency) ?? 0n];
    const text = `I1: the provider kept ${kept} ${currency}, the orders cost ${cost}`;
    return kept === cost ? [] : [text];
  });
}

/** Returns charges less refunds, in minor units by currency. */
export function netCaptured(book: readonly BookEntry[]): ReadonlyMap<string, bigint> {
  const { charges, refunds } = movementsOf(book);
  const back = refunds.map((refund) => ({ ...refund, minorUnits: -refund.minorUnits }));
  return sums([...charges, ...back]);
}

function sums(amounts: readonly Money[]): ReadonlyMap<string, bigint> {
  const totals = new Map<string, bigint>();
  for (const { currencyCode, minorUnits } of amounts)
    totals.set(currencyCode, (totals.get(currencyCode) ?? 0n) + minorUnits);
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

/** The payment statuses that an order's status allows; for any other status, NOT_KEPT. */
const PAYMENT_STATUSES: Partial<Record<OrderRow["status"], readonly string[]>> = {
  CONFIRMED: ["SUCCEEDED"],
  REJECTED: ["DECLINED", MISSING],
};
const NOT_KEPT = ["REFUNDED", "VOIDED", "DECLINED"];

/**
 * I2 and I5: a confirmed order was charged once and not refunded; any other was, if charged,
 * refunded once in full; and the payment's status agrees.
 */
function wrongMoney(
  { id, status, currencyCode, minorUnits }: OrderRow,
  { charges, refunds }: ReturnType<typeof movementsOf>,
  paymentStatus: string,
): string[] {
  const text = `order ${id} (${status})`;
  const moved = `${text}: ${charges.length} charges, ${refunds.length} refunds`;
  const inFull = [...charges, ...refunds].every(
    (amount) => amount.currencyCode === currencyCode && amount.minorUnits === minorUnits,
  );
  const kept = charges.length - refunds.length;
  const statuses = PAYMENT_STATUSES[status] ?? NOT_KEPT;
  return [
    ...(charges.length > 1 || refunds.length > 1 || !inFull ? [`I2: ${moved}`] : []),
    ...(kept === (status === "CONFIRMED" ? 1 : 0) ? [] : [`I5: ${moved}`]),
    ...(statuses.includes(paymentStatus) ? [] : [`I5: ${text}: its payment is ${paymentStatus}`]),
  ];
}

/** I4: acknowledged orders exist under their request_id; each order has one request. */
function lostRequests(
  { orders, requests }: Snapshot,
  acknowledged: ReadonlyMap<string, string>,
): string[] {
  const placed = requests.filter(({ method }) => method === "CreateOrder");
  const stored = new Map(placed.map(({ requestId, resourceId }) => [requestId, resourceId]));
  const ofOrder = Map.groupBy(placed, ({ resourceId }) => resourceId);
  const count = (orderId: string) => ofOrder.get(orderId)?.length ?? 0;
  const known = new Set(orders.map(({ id }) => id));
  return [
    ...[...acknowledged]
      .filter(([requestId, orderId]) => stored.get(requestId) !== orderId)
      .map(
        ([requestId, orderId]) =>
          `I4: request ${requestId} was answered with order ${orderId}, stored is ${stored.get(requestId)}`,
      ),
    ...orders
      .filter(({ id }) => count(id) !== 1)
      .map(({ id }) => `I4: order ${id} has ${count(id)} requests`),
    ...[...ofOrder.keys()]
      .filter((id) => !known.has(id))
      .map((id) => `I4: there is no order ${id}`),
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
    undone.join() === steps.slice(0, undone.length).reverse().join() &&
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

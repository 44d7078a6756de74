import { CANCEL_ORDER, PLACE_ORDER, sagaPaths } from "@tercet/order";
import type { BookEntry } from "@tercet/payment";
import { type Money, REQUEST_RETENTION_MS } from "@tercet/service";
import type { OrderRow, PaymentRow, SagaRow, Snapshot } from "./snapshot.ts";

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
  const byId = new Map(payments.map((payment) => [payment.id, payment]));
  const behind = orders.filter(
    (order) => order.status === "CONFIRMED" && isBehind(order, byId.get(order.paymentId)),
  );
  return [
    ...open.map(({ what, state }) => `I3: ${what} is ${state}`),
    ...waiting.map(({ id, status }) => `I3: payment ${id} waits for the provider (${status})`),
    ...behind.map(({ id }) => `I3: order ${id} does not show a refund of its payment yet`),
  ];
}

/** Whether the order does not show yet all that was refunded of its payment. */
export const isBehind = (order: OrderRow, payment: PaymentRow | undefined): boolean =>
  payment !== undefined && payment.refundedMinorUnits > order.refundedMinorUnits;

/** The state of a saga that an operator settled outside, and the outcome of its last event. */
const RESOLVED = "RESOLVED";

/** Removes open orders and all that belongs to them: the rest must hold at any time. */
export function withoutOpenOrders(snapshot: Snapshot): Snapshot {
  const { orders, sagas, payments, requests, book } = snapshot;
  const waits = withoutSettledOutside(snapshot).payments.filter((payment) => payment.waits);
  const waiting = new Set(waits.map(({ id }) => id));
  const busy = new Set(sagas.filter(({ state }) => isOpen(state)).map(({ subject }) => subject));
  const byId = new Map(payments.map((payment) => [payment.id, payment]));
  const underWay = orders.filter(
    (order) =>
      isOpen(order.status) ||
      busy.has(order.id) ||
      waiting.has(order.paymentId) ||
      (order.status === "CONFIRMED" && isBehind(order, byId.get(order.paymentId))),
  );
  const open = new Set(underWay.map(({ id }) => id));
  const unpaid = new Set([...waiting, ...underWay.map(({ paymentId }) => paymentId)]);
  return {
    ...snapshot,
    orders: orders.filter(({ id }) => !open.has(id)),
    sagas: sagas.filter(({ subject }) => !open.has(subject)),
    requests: requests.filter(({ resourceId }) => !open.has(resourceId)),
    payments: payments.filter(({ id }) => !unpaid.has(id)),
    book: book.filter((entry) => !unpaid.has(paymentOf(entry))),
  };
}

/** Returns the orders whose saga an operator settled outside: the provider may still hold money. */
function settledOutside({ orders, sagas }: Snapshot): readonly OrderRow[] {
  const ids = new Set(sagas.filter(({ state }) => state === RESOLVED).map((saga) => saga.subject));
  return orders.filter(({ id }) => ids.has(id));
}

/** Removes payments and book entries that operators have settled outside. */
export function withoutSettledOutside(snapshot: Snapshot): Snapshot {
  const settled = new Set(settledOutside(snapshot).map(({ paymentId }) => paymentId));
  return {
    ...snapshot,
    payments: snapshot.payments.filter(({ id }) => !settled.has(id)),
    book: snapshot.book.filter((entry) => !settled.has(paymentOf(entry))),
  };
}

/** Returns a sentence for each order that an operator settled outside. */
export function resolutions(snapshot: Snapshot): string[] {
  const entries = Map.groupBy(snapshot.book, paymentOf);
  return settledOutside(snapshot).map(({ id, currencyCode, paymentId }) => {
    const { charges, refunds } = movementsOf(entries.get(paymentId));
    const left = sum(charges) - sum(refunds);
    const how = snapshot.sagas
      .filter(({ subject }) => subject === id)
      .flatMap(({ events }) => events.filter(({ outcome }) => outcome === RESOLVED))
      .map(({ message }) => message);
    const back = refunds.length > 0 ? "; the provider refunded it too: was it paid twice?" : "";
    return `order ${id} was ${how.join(", ")}; the provider holds ${left} ${currencyCode}${back}`;
  });
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
  const outside = new Set(settledOutside(snapshot));
  const entries = Map.groupBy(book, paymentOf);
  const statuses = new Map(payments.map(({ id, status }) => [id, status]));
  const ofOrder = Map.groupBy(sagas, ({ subject }) => subject);
  return [
    ...booksThatDiffer(withoutSettledOutside(snapshot)),
    ...chargesWithoutOrder(snapshot),
    ...orders.flatMap((order) =>
      wrongMoney(
        order,
        movementsOf(entries.get(order.paymentId)),
        statuses.get(order.paymentId) ?? MISSING,
        outside.has(order),
      ),
    ),
    ...lostRequests(snapshot, acknowledged),
    ...sagas.flatMap(illegalPath),
    ...mixedSystems(snapshot),
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

/** I1: in each currency, net captured is what the confirmed orders cost, less their refunds. */
function booksThatDiffer({ orders, book }: Snapshot): string[] {
  const sold = sums(orders.map((order) => ({ ...order, minorUnits: keptOf(order) })));
  const paid = netCaptured(book);
  return [...new Set([...sold.keys(), ...paid.keys()])].flatMap((currency) => {
    const [kept, cost] = [paid.get(currency) ?? 0n, sold.get(currency) ?? 0n];
    const text = `I1: the provider kept ${kept} ${currency}, the orders cost ${cost}`;
    return kept === cost ? [] : [text];
  });
}

/** What came in and went back of one currency, in minor units. */
export interface CurrencyMoney {
  readonly currencyCode: string;
  /** By the provider's book. */
  readonly captured: bigint;
  readonly refunded: bigint;
  /** What the confirmed orders cost, less what operators have refunded of them. */
  readonly confirmed: bigint;
  /** `captured - refunded - confirmed`: 0, or I1 is violated. */
  readonly difference: bigint;
}

/** Returns the sums that I1 compares, of the orders that have ended, by currency. */
export function moneyByCurrency(snapshot: Snapshot): CurrencyMoney[] {
  const { orders, book } = withoutSettledOutside(withoutOpenOrders(snapshot));
  const { charges, refunds } = movementsOf(book);
  const [captured, refunded] = [sums(charges), sums(refunds)];
  const confirmed = sums(orders.map((order) => ({ ...order, minorUnits: keptOf(order) })));
  const codes = new Set([...captured.keys(), ...refunded.keys(), ...confirmed.keys()]);
  return [...codes].sort().map((currencyCode) => {
    const of = (totals: ReadonlyMap<string, bigint>) => totals.get(currencyCode) ?? 0n;
    const amounts = { captured: of(captured), refunded: of(refunded), confirmed: of(confirmed) };
    const difference = amounts.captured - amounts.refunded - amounts.confirmed;
    return { currencyCode, ...amounts, difference };
  });
}

/** Returns what an order that has ended must have kept of its payment, in minor units. */
const keptOf = ({ status, minorUnits, refundedMinorUnits }: OrderRow): bigint =>
  status === "CONFIRMED" ? minorUnits - refundedMinorUnits : 0n;

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

/** Returns the payment statuses that an order's own state allows. */
function paymentStatuses({ status, minorUnits, refundedMinorUnits }: OrderRow): readonly string[] {
  if (status === "REJECTED") return ["DECLINED", MISSING];
  if (status !== "CONFIRMED") return ["REFUNDED", "VOIDED", "DECLINED"];
  if (refundedMinorUnits === 0n) return ["SUCCEEDED"];
  return [refundedMinorUnits === minorUnits ? "REFUNDED" : "PARTIALLY_REFUNDED"];
}

/**
 * I2 and I5: a confirmed order was charged once, and what was refunded of it is what it shows; any
 * other was, if charged, charged once and refunded in full, or settled outside; and the payment's
 * status agrees.
 */
function wrongMoney(
  order: OrderRow,
  { charges, refunds }: ReturnType<typeof movementsOf>,
  paymentStatus: string,
  isSettledOutside: boolean,
): string[] {
  const { id, status, currencyCode, minorUnits, refundedMinorUnits } = order;
  const text = `order ${id} (${status})`;
  const [charged, back] = [sum(charges), sum(refunds)];
  const moved = `${text}: ${charges.length} charges, ${refunds.length} refunds`;
  const amounts = `charged ${charged}, refunded ${back} ${currencyCode}, the order shows ${refundedMinorUnits} of ${minorUnits}`;
  const legal =
    charges.length <= 1 &&
    charges.every((charge) => charge.minorUnits === minorUnits) &&
    back <= charged &&
    [...charges, ...refunds].every((amount) => amount.currencyCode === currencyCode);
  const doubled = legal ? [] : [`I2: ${moved}`];
  if (isSettledOutside) return doubled;
  return [
    ...doubled,
    ...(charged - back === keptOf(order) ? [] : [`I5: ${moved} (${amounts})`]),
    ...(paymentStatuses(order).includes(paymentStatus)
      ? []
      : [`I5: ${text}: its payment is ${paymentStatus}`]),
  ];
}

const sum = (amounts: readonly Money[]): bigint =>
  amounts.reduce((total, { minorUnits }) => total + minorUnits, 0n);

/**
 * I4: acknowledged orders exist under their request_id; each order has one request, by its
 * customer, as long as requests are kept. Customers choose their ids without knowing of each other.
 */
function lostRequests(
  { orders, requests }: Snapshot,
  acknowledged: ReadonlyMap<string, string>,
): string[] {
  const placed = requests.filter(({ method }) => method === "CreateOrder");
  const ofRequest = Map.groupBy(placed, ({ requestId }) => requestId);
  const ofOrder = Map.groupBy(placed, ({ resourceId }) => resourceId);
  const known = new Set(orders.map(({ id }) => id));
  return [
    ...[...acknowledged].flatMap(([requestId, orderId]) => {
      const stored = (ofRequest.get(requestId) ?? []).map(({ resourceId }) => resourceId);
      return stored.includes(orderId)
        ? []
        : [
            `I4: request ${requestId} was answered with order ${orderId}, stored is ${stored.join(", ") || undefined}`,
          ];
    }),
    ...orders.flatMap(({ id, customerId, ageMs }) => {
      const own = ofOrder.get(id) ?? [];
      const swept = own.length === 0 && ageMs > REQUEST_RETENTION_MS;
      const fits = own.length === 1 && own[0]?.caller === customerId;
      return fits || swept ? [] : [`I4: order ${id} has ${own.length} requests of its customer`];
    }),
    ...[...ofOrder.keys()]
      .filter((id) => !known.has(id))
      .map((id) => `I4: there is no order ${id}`),
  ];
}

const pathOf = ({ kind, version }: Pick<SagaRow, "kind" | "version">) =>
  sagaPaths.find((path) => path.kind === kind && path.version === version);

/** Returns a sentence for each version of a saga that this program does not know. */
export function unknownSagas({ sagas }: Snapshot): string[] {
  const unknown = sagas.filter((saga) => pathOf(saga) === undefined);
  const versions = Map.groupBy(unknown, ({ kind, version }) => `${kind} version ${version}`);
  return [...versions].map(
    ([name, some]) =>
      `${some.length} sagas are ${name}, which this program does not know: their steps are not checked`,
  );
}

/**
 * I6: steps run once each, in order; then the undos of those that ran, if any, in reverse; and
 * nothing after the end. The steps are those of Order's definitions.
 */
function illegalPath(saga: SagaRow): string[] {
  const { kind, subject, state, events } = saga;
  const path = pathOf(saga);
  if (path === undefined) return [];
  const done = (action: string) =>
    events
      .filter((event) => event.action === action && event.outcome === "SUCCEEDED")
      .map(({ step }) => step);
  const steps = path.steps.map(({ name }) => name);
  const undoable = path.steps.filter(({ hasUndo }) => hasUndo).map(({ name }) => name);
  const [ran, undone] = [done("RUN"), done("UNDO")];
  const turned = events.findIndex(({ action }) => action === "UNDO");
  const last = events.at(-1);
  const legal =
    ran.join() === steps.slice(0, ran.length).join() &&
    undone.join() === undoable.slice(0, undone.length).reverse().join() &&
    (turned === -1 || events.slice(turned).every(({ action }) => action === "UNDO")) &&
    (state === RESOLVED
      ? last?.outcome === RESOLVED
      : (state === "COMPLETED"
          ? ran.length === steps.length && undone.length === 0 && last?.step === steps.at(-1)
          : undoable.every((step) => undone.includes(step) || !ran.includes(step)) &&
            last?.step === undoable[0]) && last?.outcome === "SUCCEEDED");
  const taken = events.map(({ step, action, outcome }) => `${action} ${step} ${outcome}`);
  return legal ? [] : [`I6: ${kind} of order ${subject} is ${state} by ${taken.join(", ")}`];
}

/** I5: the databases belong to one system, or orders are charged in another one's books. */
function mixedSystems({ systems: { order, payment } }: Snapshot): string[] {
  return order === undefined || payment === undefined || order === payment
    ? []
    : [
        `I5: the database of Order belongs to the system "${order}", that of Payment to "${payment}"`,
      ];
}

/** I8: the order statuses that the states of its sagas allow: the one that places it, then the one
 * that cancels it. */
const ENDINGS: Readonly<Record<string, readonly OrderRow["status"][]>> = {
  COMPLETED: ["CONFIRMED"],
  COMPENSATED: ["REJECTED", "CANCELLED"],
  "COMPLETED, COMPLETED": ["CANCELLED"],
  [RESOLVED]: ["CANCELLED"],
  [`COMPLETED, ${RESOLVED}`]: ["CANCELLED"],
};

function tornOrder({ id, status }: OrderRow, sagas: readonly SagaRow[]): string[] {
  const states = [PLACE_ORDER, CANCEL_ORDER]
    .flatMap((kind) => sagas.filter((saga) => saga.kind === kind))
    .map(({ state }) => state)
    .join(", ");
  return ENDINGS[states]?.includes(status)
    ? []
    : [`I8: order ${id} is ${status}, its sagas are ${states || "missing"}`];
}

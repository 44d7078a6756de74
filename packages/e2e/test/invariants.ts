import { setTimeout as sleep } from "node:timers/promises";
import type { OrderStatus } from "@tercet/gen/order/v1/order_service";
import { type BookEntry, readBook } from "@tercet/payment";
import { connectPostgres, type Money } from "@tercet/service";
import type { Stack } from "@tercet/stack";
import { expect, vi } from "vitest";

/** What the provider's book says about one payment. */
export interface Moved {
  readonly charges: readonly Money[];
  readonly refunds: readonly Money[];
}

export const movedFor = async ({ bookDir }: Pick<Stack, "bookDir">, paymentId: string): Promise<Moved> =>
  moved(await readBook(bookDir), paymentId);

const moved = (book: readonly BookEntry[], paymentId: string): Moved => ({
  charges: book.filter((entry) => entry.kind === "charge" && entry.key === paymentId).map(({ amount }) => amount),
  refunds: book.filter((entry) => entry.kind === "refund" && entry.chargeKey === paymentId).map(({ amount }) => amount),
});

interface OrderRow {
  readonly id: string;
  readonly status: keyof typeof OrderStatus;
  readonly currency: string;
  readonly total: bigint;
  readonly paymentId: string;
}

interface SagaRow {
  readonly kind: "place-order" | "cancel-order";
  readonly subject: string;
  readonly state: string;
  readonly events: readonly { readonly step: string; readonly action: "RUN" | "UNDO"; readonly outcome: string }[];
}

interface PaymentRow {
  readonly id: string;
  readonly status: string;
  readonly openWork: number;
}

interface RequestRow {
  readonly requestId: string;
  readonly method: string;
  readonly resourceId: string;
}

/** Everything that is stored, and the provider's book, which no service of ours can rewrite. */
export interface Everything {
  readonly orders: readonly OrderRow[];
  readonly sagas: readonly SagaRow[];
  readonly requests: readonly RequestRow[];
  readonly payments: readonly PaymentRow[];
  readonly book: readonly BookEntry[];
}

export interface InvariantOptions {
  /** Orders that clients were told of, by request_id. */
  readonly acknowledged?: ReadonlyMap<string, string>;
  /** How long after the last fault everything must have ended. */
  readonly withinMs?: number;
}

const BETWEEN_LOOKS_MS = 200;

/**
 * What must hold however the system was treated, from its databases and the provider's book: nothing is left open (I3), and then none of `violations`.
 * Answers how many orders there are in each status, so that a test can tell that it held something.
 */
export async function expectInvariants(
  stack: Stack,
  { acknowledged = new Map(), withinMs = 30_000 }: InvariantOptions = {},
): Promise<Record<string, number>> {
  await vi.waitFor(async () => expect(unfinished(await readEverything(stack))).toEqual([]), { timeout: withinMs, interval: 250 });
  const everything = await readEverything(stack);
  expect(violations(everything, acknowledged)).toEqual([]);
  const byStatus = Object.groupBy(everything.orders, ({ status }) => status);
  return Object.fromEntries(Object.entries(byStatus).map(([status, some]) => [status, some.length]));
}

/**
 * I12, looked at until the signal aborts: answers the confirmed orders that were not paid for at some instant. An order is CONFIRMED once and never again, so
 * one that was so before and after the book was read was so meanwhile.
 */
export async function watchUnpaidOrders({ databaseUrls, bookDir }: Stack, signal: AbortSignal): Promise<string[]> {
  const sql = connectPostgres(databaseUrls.order, { max: 1 });
  const confirmed = () => sql<OrderRow[]>`select id, payment_id from orders where status = 'CONFIRMED'`;
  const unpaid = new Set<string>();
  try {
    while (!signal.aborted) {
      const before = await confirmed();
      const book = await readBook(bookDir);
      const still = new Set((await confirmed()).map(({ id }) => id));
      for (const { id, paymentId } of before) {
        const { charges, refunds } = moved(book, paymentId);
        if (still.has(id) && (charges.length !== 1 || refunds.length > 0)) unpaid.add(id);
      }
      await sleep(BETWEEN_LOOKS_MS, undefined, { signal }).catch(() => {});
    }
    return [...unpaid];
  } finally {
    await sql.end();
  }
}

async function readEverything({ databaseUrls, bookDir }: Stack): Promise<Everything> {
  const [orders, payments] = [connectPostgres(databaseUrls.order, { max: 1 }), connectPostgres(databaseUrls.payment, { max: 1 })];
  try {
    return {
      orders: await orders<OrderRow[]>`select id, status, currency, total, payment_id from orders order by id`,
      sagas: await orders<SagaRow[]>`select kind, subject, state, events from sagas order by id`,
      requests: await orders<RequestRow[]>`select request_id, method, resource_id from requests`,
      payments: await payments<PaymentRow[]>`select id, status, open_work from payments order by id`,
      book: await readBook(bookDir),
    };
  } finally {
    await Promise.all([orders.end(), payments.end()]);
  }
}

/** I3 */
function unfinished({ orders, sagas, payments }: Everything): string[] {
  const open = (state: string) => !["CONFIRMED", "REJECTED", "CANCELLED", "COMPLETED", "COMPENSATED"].includes(state);
  return [
    ...orders.filter(({ status }) => open(status)).map(({ id, status }) => `I3: order ${id} is ${status}`),
    ...sagas.filter(({ state }) => open(state)).map(({ kind, subject, state }) => `I3: ${kind} of order ${subject} is ${state}`),
    ...payments.filter(({ openWork }) => openWork > 0).map(({ id, status }) => `I3: payment ${id} waits for the provider (${status})`),
  ];
}

/** Each with what it is about: the order, the payment, the request. */
export function violations(everything: Everything, acknowledged: ReadonlyMap<string, string>): string[] {
  const { orders, sagas } = everything;
  return [
    ...booksThatDiffer(everything),
    ...chargesWithoutOrder(everything),
    ...orders.flatMap((order) => wrongMoney(order, everything)),
    ...lostRequests(everything, acknowledged),
    ...sagas.flatMap(illegalPath),
    ...orders.flatMap((order) => tornOrder(order, sagas)),
  ];
}

/** I1: in each currency the provider kept what the confirmed orders cost. */
function booksThatDiffer({ orders, book }: Everything): string[] {
  const sold = sums(orders.filter(({ status }) => status === "CONFIRMED").map(({ currency, total }) => [currency, total]));
  const kept = sums(
    book
      .filter(({ kind }) => kind !== "decline")
      .map(({ kind, amount: { currencyCode, minorUnits } }) => [currencyCode, kind === "refund" ? -minorUnits : minorUnits]),
  );
  return [...new Set([...sold.keys(), ...kept.keys()])]
    .filter((currency) => (sold.get(currency) ?? 0n) !== (kept.get(currency) ?? 0n))
    .map((currency) => `I1: the provider kept ${kept.get(currency) ?? 0n} ${currency}, the orders cost ${sold.get(currency) ?? 0n}`);
}

function sums(amounts: readonly (readonly [string, bigint])[]): ReadonlyMap<string, bigint> {
  const totals = new Map<string, bigint>();
  for (const [currency, minorUnits] of amounts) totals.set(currency, (totals.get(currency) ?? 0n) + minorUnits);
  return totals;
}

/** I5 */
function chargesWithoutOrder({ orders, book }: Everything): string[] {
  const known = new Set(orders.map(({ paymentId }) => paymentId));
  const strangers = book.filter((entry) => !known.has(entry.kind === "refund" ? entry.chargeKey : entry.key));
  return strangers.map(({ kind, key }) => `I5: the ${kind} ${key} belongs to no order`);
}

/** I2 and I5: a confirmed order was charged once and not refunded, any other was refunded in full, once, if it was charged; Payment says the same. */
function wrongMoney({ id, status, currency, total, paymentId }: OrderRow, { book, payments }: Everything): string[] {
  const { charges, refunds } = moved(book, paymentId);
  const text = `order ${id} (${status}): ${charges.length} charges, ${refunds.length} refunds`;
  const all = (amounts: readonly Money[]) => amounts.every((amount) => amount.currencyCode === currency && amount.minorUnits === total);
  const paid = payments.find((payment) => payment.id === paymentId);
  const settled = { CONFIRMED: ["SUCCEEDED"], REJECTED: ["DECLINED"] }[status as string] ?? ["REFUNDED", "VOIDED", "DECLINED"];
  return [
    ...(charges.length > 1 || refunds.length > 1 || !all([...charges, ...refunds]) ? [`I2: ${text}`] : []),
    ...(charges.length - refunds.length === (status === "CONFIRMED" ? 1 : 0) ? [] : [`I5: ${text}`]),
    ...(settled.includes(paid?.status ?? "") ? [] : [`I5: order ${id} (${status}): its payment is ${paid?.status}`]),
  ];
}

/** I4: what a client was told of is there, under its request_id; each order was asked for once. */
function lostRequests({ orders, requests }: Everything, acknowledged: ReadonlyMap<string, string>): string[] {
  const placed = new Map(
    requests.filter(({ method }) => method === "CreateOrder").map((request) => [request.requestId, request.resourceId]),
  );
  const asked = new Map<string, number>();
  for (const orderId of placed.values()) asked.set(orderId, (asked.get(orderId) ?? 0) + 1);
  return [
    ...[...acknowledged]
      .filter(([requestId, orderId]) => placed.get(requestId) !== orderId)
      .map(([requestId, orderId]) => `I4: request ${requestId} was answered with order ${orderId}, stored is ${placed.get(requestId)}`),
    ...orders.filter(({ id }) => asked.get(id) !== 1).map(({ id }) => `I4: order ${id} has ${asked.get(id) ?? 0} requests`),
    ...[...asked.keys()].filter((id) => !orders.some((order) => order.id === id)).map((id) => `I4: there is no order ${id}`),
  ];
}

const STEPS = { "place-order": ["create", "charge", "allocate"], "cancel-order": ["request", "refund", "restock"] } as const;

/** I6: forward step by step, each done once; then, if at all, backward; and nothing after the end. */
function illegalPath({ kind, subject, state, events }: SagaRow): string[] {
  const done = (action: string) =>
    events.filter((event) => event.action === action && event.outcome === "SUCCEEDED").map(({ step }) => step);
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

/** I8: what the states of an order's sagas, that which places it first, make of the order. */
const ENDINGS: Readonly<Record<string, readonly OrderRow["status"][]>> = {
  COMPLETED: ["CONFIRMED"],
  COMPENSATED: ["REJECTED", "CANCELLED"],
  "COMPLETED, COMPLETED": ["CANCELLED"],
};

function tornOrder({ id, status }: OrderRow, sagas: readonly SagaRow[]): string[] {
  const own = sagas.filter(({ subject }) => subject === id).sort((a, b) => b.kind.localeCompare(a.kind));
  const states = own.map(({ state }) => state).join(", ");
  return ENDINGS[states]?.includes(status) ? [] : [`I8: order ${id} is ${status}, its sagas are ${states || "not there"}`];
}

import { sagaPaths } from "@tercet/order";
import type { BookEntry } from "@tercet/payment";
import { REQUEST_RETENTION_MS } from "@tercet/service";
import { describe, expect, test } from "vitest";
import {
  findViolations,
  moneyByCurrency,
  resolutions,
  unfinished,
  unknownSagas,
  withoutOpenOrders,
} from "./invariants.ts";
import type { Snapshot } from "./snapshot.ts";

const amount = { currencyCode: "EUR", minorUnits: 500n };
const time = new Date(0);
const charge = (key: string): BookEntry => ({
  kind: "charge",
  key,
  amount,
  reference: `ch_${key}`,
  refundsFail: false,
  time,
});
const refund = (chargeKey: string, key = `${chargeKey}.r`, minorUnits = 500n): BookEntry => ({
  kind: "refund",
  key,
  chargeKey,
  amount: { ...amount, minorUnits },
  reference: key,
  time,
});

type Status = Snapshot["orders"][number]["status"];
const order = (id: string, status: Status) => ({
  id,
  status,
  currencyCode: "EUR",
  minorUnits: 500n,
  refundedMinorUnits: status === "CANCELLED" ? 500n : 0n,
  customerId: `c${id}`,
  paymentId: `p${id}`,
  ageMs: 0,
  updateTime: time,
});
const request = (id: string) => ({
  caller: `c${id}`,
  requestId: `r${id}`,
  method: "CreateOrder",
  resourceId: id,
});
const payment = (id: string, status: string) => ({
  id: `p${id}`,
  status,
  refundedMinorUnits: status === "REFUNDED" ? 500n : 0n,
  waits: false,
  updateTime: time,
});

/** "run create, undo charge" */
function saga(
  subject: string,
  kind: string,
  state: string,
  path: string,
): Snapshot["sagas"][number] {
  const events = path.split(", ").map((event) => {
    const [action, step = "", outcome = "SUCCEEDED"] = event.split(" ");
    return {
      time: "",
      step,
      action: action === "run" ? ("RUN" as const) : ("UNDO" as const),
      outcome,
      message: "",
      worker: "",
    };
  });
  return { id: `${kind} ${subject}`, kind, version: 1, subject, state, ageMs: 0, events };
}

const FORWARD = "run create, run charge, run allocate";
/** One order of each kind: confirmed, declined, sold out, cancelled after it was confirmed. */
const world: Snapshot = {
  orders: [
    order("1", "CONFIRMED"),
    order("2", "REJECTED"),
    order("3", "CANCELLED"),
    order("4", "CANCELLED"),
  ],
  requests: ["1", "2", "3", "4"].map(request),
  payments: [
    payment("1", "SUCCEEDED"),
    payment("2", "DECLINED"),
    payment("3", "REFUNDED"),
    payment("4", "REFUNDED"),
  ],
  sagas: [
    saga("1", "place-order", "COMPLETED", FORWARD),
    saga("2", "place-order", "COMPENSATED", "run create, run charge FAILED, undo create"),
    saga(
      "3",
      "place-order",
      "COMPENSATED",
      "run create, run charge, run allocate FAILED, undo charge, undo create",
    ),
    saga(
      "4",
      "cancel-order",
      "COMPLETED",
      "run request, run refund UNKNOWN, run refund, run restock",
    ),
    saga("4", "place-order", "COMPLETED", FORWARD),
  ],
  book: [charge("p1"), charge("p3"), refund("p3"), charge("p4"), refund("p4")],
  systems: { order: "shop", payment: "shop" },
};
const found = (change: Partial<Snapshot>, acknowledged = new Map([["r1", "1"]])) =>
  findViolations({ ...world, ...change }, acknowledged);
const names = (all: readonly string[]) => [...new Set(all.map((text) => text.slice(0, 2)))];
const withSaga = (changed: Snapshot["sagas"][number]) => [
  changed,
  ...world.sagas.filter(
    ({ subject, kind }) => subject !== changed.subject || kind !== changed.kind,
  ),
];

test("a consistent snapshot has no violations", () => {
  expect(found({})).toEqual([]);
});

test.each<[string, Partial<Snapshot>, string[]]>([
  [
    "a charge of a rejected order that was not refunded",
    { book: [...world.book, charge("p2")] },
    ["I1", "I5"],
  ],
  ["a confirmed order that was refunded", { book: [...world.book, refund("p1")] }, ["I1", "I5"]],
  ["a charge twice", { book: [...world.book, charge("p1")] }, ["I1", "I2", "I5"]],
  ["a refund twice", { book: [...world.book, refund("p3", "again")] }, ["I1", "I2", "I5"]],
  [
    "two charges, both refunded",
    { book: [...world.book, charge("p4"), refund("p4", "again")] },
    ["I2"],
  ],
  [
    "a refunded charge without an order",
    { book: [...world.book, charge("p9"), refund("p9")] },
    ["I5"],
  ],
  [
    "a payment whose status disagrees",
    { payments: [payment("1", "PENDING"), ...world.payments.slice(1)] },
    ["I5"],
  ],
  [
    "an order placed twice",
    { requests: [...world.requests, { ...request("1"), requestId: "r9" }] },
    ["I4"],
  ],
  ["a request without its order", { requests: [...world.requests, request("9")] }, ["I4"]],
  ["an order without its request", { requests: world.requests.slice(0, 3) }, ["I4"]],
  [
    "a step twice",
    { sagas: withSaga(saga("1", "place-order", "COMPLETED", `${FORWARD}, run allocate`)) },
    ["I6"],
  ],
  [
    "a skipped step",
    { sagas: withSaga(saga("1", "place-order", "COMPLETED", "run create, run allocate")) },
    ["I6"],
  ],
  [
    "a step after an undo",
    {
      sagas: withSaga(
        saga("2", "place-order", "COMPENSATED", "run create, undo create, run charge"),
      ),
    },
    ["I6"],
  ],
  [
    "a skipped undo",
    {
      sagas: withSaga(
        saga("3", "place-order", "COMPENSATED", "run create, run charge, undo charge"),
      ),
    },
    ["I6"],
  ],
  [
    "an event after the end",
    { sagas: withSaga(saga("1", "place-order", "COMPLETED", `${FORWARD}, run charge UNKNOWN`)) },
    ["I6"],
  ],
  [
    "a saga whose end does not match its order",
    { orders: [...world.orders.slice(0, 3), order("4", "CONFIRMED")] },
    ["I1", "I5", "I8"],
  ],
  ["an order without a saga", { sagas: world.sagas.slice(1) }, ["I8"]],
])("%s", (_, change, expected) => {
  expect(names(found(change))).toEqual(expected);
});

/** Order 1 is confirmed; an operator refunded this much of it, as the order shows. */
const refundedByOperator = (minorUnits: bigint, shown = minorUnits): Partial<Snapshot> => ({
  orders: [{ ...order("1", "CONFIRMED"), refundedMinorUnits: shown }, ...world.orders.slice(1)],
  payments: [
    {
      ...payment("1", minorUnits === 500n ? "REFUNDED" : "PARTIALLY_REFUNDED"),
      refundedMinorUnits: minorUnits,
    },
    ...world.payments.slice(1),
  ],
  book: [...world.book, refund("p1", "p1.operator", minorUnits)],
});

test("a refund by an operator, in part or in full, is no violation", () => {
  expect(found(refundedByOperator(200n))).toEqual([]);
  expect(found(refundedByOperator(500n))).toEqual([]);
});

test("two refunds by operators that are more than the charge", () => {
  const { book = [], ...rest } = refundedByOperator(500n);
  expect(names(found({ ...rest, book: [...book, refund("p1", "p1.x", 1n)] }))).toEqual([
    "I1",
    "I2",
    "I5",
  ]);
});

test("a refund that the order shows and the provider did not make", () => {
  expect(names(found({ ...refundedByOperator(200n), book: world.book }))).toEqual(["I1", "I5"]);
});

test("an order that does not show a refund yet is unfinished", () => {
  const snapshot = { ...world, ...refundedByOperator(200n, 100n) };
  expect(unfinished(snapshot)).toEqual(["I3: order 1 does not show a refund of its payment yet"]);
  expect(findViolations(withoutOpenOrders(snapshot))).toEqual([]);
});

test("confirmed orders that are not paid at their provider are named", () => {
  const ids = Array.from({ length: 20 }, (_, n) => `${n + 10}`);
  const violations = found({
    orders: [...world.orders, ...ids.map((id) => order(id, "CONFIRMED"))],
    requests: [...world.requests, ...ids.map(request)],
    sagas: [...world.sagas, ...ids.map((id) => saga(id, "place-order", "COMPLETED", FORWARD))],
  });
  expect(names(violations)).toEqual(["I1", "I5"]);
  for (const id of ids)
    expect(violations).toContainEqual(
      expect.stringContaining(`I5: order ${id} (CONFIRMED): 0 charges`),
    );
});

test("databases of two systems", () => {
  expect(found({ systems: { order: "shop", payment: "other" } })).toEqual([
    'I5: the database of Order belongs to the system "shop", that of Payment to "other"',
  ]);
});

test("two customers may use one request_id", () => {
  const requests = world.requests.map((row) => ({ ...row, requestId: "r1" }));
  expect(found({ requests })).toEqual([]);
});

test("an order that another customer requested", () => {
  const requests = world.requests.map((row) => ({ ...row, caller: "c1" }));
  expect(names(found({ requests }))).toEqual(["I4"]);
});

test("an order that is older than requests are kept needs none", () => {
  const [first = order("1", "CONFIRMED"), ...rest] = world.orders;
  const old = { ...first, ageMs: REQUEST_RETENTION_MS + 1 };
  const change = { orders: [old, ...rest], requests: world.requests.slice(1) };
  expect(found(change, new Map())).toEqual([]);
});

test.each(sagaPaths)("the steps of $kind version $version are those of its definition", (path) => {
  const { kind, version, steps } = path;
  const forward = steps.map(({ name }) => `run ${name}`);
  const back = steps.filter(({ hasUndo }) => hasUndo).map(({ name }) => `undo ${name}`);
  const of = (state: string, events: readonly string[]) =>
    found({ sagas: [{ ...saga("9", kind, state, events.join(", ")), version }] }).filter((text) =>
      text.startsWith("I6"),
    );
  expect(of("COMPLETED", forward)).toEqual([]);
  expect(of("COMPLETED", forward.slice(0, -1))).not.toEqual([]);
  if (back.length > 0) expect(of("COMPENSATED", [...forward, ...back.toReversed()])).toEqual([]);
  if (back.length > 1) expect(of("COMPENSATED", [...forward, ...back.slice(0, 1)])).not.toEqual([]);
});

test("the steps of a version that is not known are not judged", () => {
  const snapshot = {
    ...world,
    sagas: withSaga({
      ...saga("1", "place-order", "COMPLETED", "run create, run charge, run insure, run allocate"),
      version: 99,
    }),
  };
  expect(findViolations(snapshot)).toEqual([]);
  expect(unknownSagas(snapshot)).toEqual([expect.stringContaining("place-order version 99")]);
});

test("an acknowledged order that is not stored", () => {
  expect(found({}, new Map([["r1", "2"]]))).toEqual([
    "I4: request r1 was answered with order 2, stored is 1",
  ]);
});

test("open orders are reported as unfinished, and are no violations", () => {
  const open: Partial<Snapshot> = {
    orders: [...world.orders, order("5", "PENDING"), order("6", "CANCELLED")],
    requests: [...world.requests, request("5"), request("6")],
    payments: [
      ...world.payments,
      payment("5", "SUCCEEDED"),
      { ...payment("6", "DECLINED"), waits: true },
    ],
    sagas: [
      ...world.sagas,
      saga("5", "place-order", "RUNNING", "run create"),
      saga("6", "place-order", "COMPENSATED", "run create, undo charge, undo create"),
    ],
    book: [...world.book, charge("p5"), charge("p6")],
  };
  const snapshot = { ...world, ...open };
  expect(unfinished(snapshot)).toEqual([
    "I3: order 5 is PENDING",
    "I3: place-order of order 5 is RUNNING",
    "I3: payment p6 waits for the provider (DECLINED)",
  ]);
  expect(findViolations(withoutOpenOrders(snapshot))).toEqual([]);
  expect(names(findViolations(snapshot))).toContain("I1");
});

test("the sums of each currency, whose difference is 0 unless I1 is violated", () => {
  const euros = { currencyCode: "EUR", captured: 1_500n, refunded: 1_000n, confirmed: 500n };
  expect(moneyByCurrency(world)).toEqual([{ ...euros, difference: 0n }]);
  const twice = { ...world, book: [...world.book, charge("p1")] };
  expect(moneyByCurrency(twice)).toEqual([{ ...euros, captured: 2_000n, difference: 500n }]);
  const refunded = { ...world, ...refundedByOperator(200n) };
  expect(moneyByCurrency(refunded)[0]).toMatchObject({ confirmed: 300n, difference: 0n });
});

describe("an order that an operator settled outside", () => {
  const path =
    "run create, run charge, run allocate FAILED, undo charge UNKNOWN, undo charge RESOLVED";
  const settled: Snapshot = {
    ...world,
    orders: world.orders.map((row) => (row.id === "3" ? { ...row, refundedMinorUnits: 0n } : row)),
    payments: world.payments.map((row) =>
      row.id === "p3" ? { ...payment("3", "SUCCEEDED"), waits: true } : row,
    ),
    sagas: withSaga(saga("3", "place-order", "RESOLVED", path)),
    book: world.book.filter((entry) => entry.kind !== "refund" || entry.chargeKey !== "p3"),
  };

  test("is no violation, and is listed with what the provider holds", () => {
    expect(findViolations(settled)).toEqual([]);
    expect(findViolations(withoutOpenOrders(settled))).toEqual([]);
    expect(resolutions(settled)).toEqual([expect.stringMatching(/^order 3 .* holds 500 EUR$/)]);
  });

  test("is named if the provider refunded it too", () => {
    const refunded = { ...settled, book: world.book };
    expect(findViolations(refunded)).toEqual([]);
    expect(resolutions(refunded)).toEqual([expect.stringContaining("was it paid twice?")]);
  });

  test("may not be charged twice, or be anything but CANCELLED", () => {
    expect(names(findViolations({ ...settled, book: [...settled.book, charge("p3")] }))).toEqual([
      "I2",
    ]);
    const confirmed = settled.orders.map((row) =>
      row.id === "3" ? { ...row, status: "CONFIRMED" as const } : row,
    );
    expect(names(findViolations({ ...settled, orders: confirmed }))).toContain("I8");
  });
});

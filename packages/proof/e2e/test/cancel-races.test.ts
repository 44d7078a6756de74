import { setTimeout as sleep } from "node:timers/promises";
import { ConnectError } from "@connectrpc/connect";
import { readSnapshot } from "@tercet/audit";
import { Fleet, freshSeed, isPassing, pick, seededRandom, staleWrites } from "@tercet/chaos";
import { type Order, OrderStatus } from "@tercet/gen/order/v1/order_service";
import { connectPostgres, reasonOf, type Sql } from "@tercet/service";
import { type Api, createApi, type Stack } from "@tercet/stack";
import { afterAll, beforeAll, expect, test } from "vitest";
import { expectInvariants } from "./expect-invariants.ts";
import { loggedErrors } from "./service-log.ts";
import { startTestStack, type TestFolder, testFolder } from "./stack.ts";

/** CANCEL_RACES_SEED repeats the choices; the timing still depends on the machine. */
const seed = Number(process.env["CANCEL_RACES_SEED"] ?? freshSeed());
const random = seededRandom(seed);

/** Frozen for longer than the lease. */
const SETTINGS = {
  SAGA_LEASE_MS: "1000",
  PROVIDER_TIMEOUT_MS: "300",
  RECONCILE_AFTER_MS: "1000",
  RECONCILE_INTERVAL_MS: "200",
};
const FROZEN_MS = 2_000;
/** More are placed until there were enough faults: on a slow machine, replicas start late. */
const ORDERS = 60;
const ORDERS_AT_MOST = 600;
const FAULTS_OF_A_KIND = 2;
const STOCK = BigInt(ORDERS_AT_MOST);
const BETWEEN_ORDERS_MS = 100;
/** Tokens, and how long an order by each usually takes. */
const TOKENS = { tok_visa: 100, tok_slow: 2_100, tok_flaky: 500, tok_timeout_then_success: 700 };
/** The order's id is returned at once, long before the order is settled. */
const AT_ONCE = { timeoutMs: 300 };
const CALL = { timeoutMs: 4_000 };
const SKU = "RACE";

let folder: TestFolder;
/** Its own Order service suffers no fault. */
let stack: Stack;
let fleet: Fleet;
let sql: Sql;
const tokens: Record<"alice" | "olivia", string> = { alice: "", olivia: "" };

beforeAll(async () => {
  folder = await testFolder();
  stack = await startTestStack(folder, SETTINGS);
  for (const name of ["alice", "olivia"] as const)
    ({ accessToken: tokens[name] } = await createApi(stack.urls.edge).identity.login(
      stack.users[name],
    ));
  sql = connectPostgres(stack.databaseUrls.order, { max: 1 });
  fleet = await Fleet.start({ stack, sizes: { order: 4 }, random });
  const product = {
    sku: SKU,
    name: "Teapot",
    price: { currencyCode: "EUR", minorUnits: 1_999n },
    stock: STOCK,
  };
  await createApi(stack.urls.edge, tokens.olivia).catalog.putProduct({
    product,
    requestId: crypto.randomUUID(),
  });
});
afterAll(async () => {
  await fleet?.[Symbol.asyncDispose]();
  await sql?.end({ timeout: 1 });
  await stack?.[Symbol.asyncDispose]();
  await folder?.[Symbol.asyncDispose]();
});

/** Any replica or the edge. */
const anyUrl = (): string => pick([stack.urls.edge, ...fleet.urls("order")], random);

/** Retries, each time at another replica, until the call succeeds or is refused. */
async function persist<T>(
  who: keyof typeof tokens,
  call: (api: Api) => Promise<T>,
  firstUrl = anyUrl(),
): Promise<T> {
  for (let url = firstUrl; ; url = anyUrl()) {
    try {
      return await call(createApi(url, tokens[who]));
    } catch (error) {
      if (!isPassing(error)) throw error;
      await sleep(50);
    }
  }
}

/** A race, decided before it begins. */
interface Race {
  readonly token: keyof typeof TOKENS;
  readonly afterMs: number;
  readonly cancels: readonly Cancel[];
  /** The fault of the replica at which the order was placed. */
  readonly fault: "none" | "killed before" | "killed after" | "frozen before" | "frozen after";
}

interface Cancel {
  readonly by: keyof typeof tokens;
  readonly requestId: string;
}

const FAULTS = [
  "none",
  "none",
  "none",
  "killed before",
  "killed after",
  "frozen before",
  "frozen after",
] as const;

function aRace(): Race {
  const token = pick(Object.keys(TOKENS) as (keyof typeof TOKENS)[], random);
  const first: Cancel = { by: pick(["alice", "olivia"], random), requestId: crypto.randomUUID() };
  const second: Cancel = { by: pick(["alice", "olivia"], random), requestId: crypto.randomUUID() };
  const cancels = pick([[first], [first, first], [first, second], [first, second, second]], random);
  return { token, afterMs: TOKENS[token] * 1.2 * random(), cancels, fault: pick(FAULTS, random) };
}

interface Raced extends Race {
  readonly requestId: string;
  readonly order: Order;
  /** The outcome of each cancel: "ok", or the reason of its refusal. */
  readonly answers: readonly string[];
  /** The last state that each stream sent. */
  readonly watchedThroughout: Order | undefined;
  readonly watchedAfterwards: Order | undefined;
}

async function run(race: Race): Promise<Raced> {
  const { token, afterMs, cancels, fault } = race;
  const request = {
    requestId: crypto.randomUUID() as string,
    items: [{ sku: SKU, quantity: 1 }],
    paymentMethod: { token },
  };
  const owner = pick(fleet.urls("order"), random);
  const { id: orderId } = await persist(
    "alice",
    ({ orders }) => orders.createOrder(request, AT_ONCE),
    owner,
  );
  const throughout = watched(orderId);
  await sleep(afterMs);
  if (fault === "killed before") await fleet.kill("order", owner);
  if (fault === "frozen before") await fleet.freeze(FROZEN_MS, owner);
  const calls = cancels.map((cancel) => cancelled(orderId, cancel));
  if (fault === "killed after") await fleet.kill("order", owner);
  if (fault === "frozen after") await fleet.freeze(FROZEN_MS, owner);
  const answers = await Promise.all(calls);
  const watchedAfterwards = await watched(orderId);
  const order = await persist("alice", ({ orders }) => orders.getOrder({ orderId }, CALL));
  return {
    ...race,
    requestId: request.requestId,
    order,
    answers,
    watchedThroughout: await throughout,
    watchedAfterwards,
  };
}

/** The last state that the stream sends, over as many connections as it takes. */
async function watched(orderId: string): Promise<Order | undefined> {
  let last: Order | undefined;
  await persist("alice", async ({ orders }) => {
    for await (const { order } of orders.watchOrder({ orderId })) last = order;
  });
  return last;
}

async function cancelled(orderId: string, { by, requestId }: Cancel): Promise<string> {
  try {
    await persist(by, ({ orders }) =>
      orders.cancelOrder({ orderId, requestId, reason: "changed my mind" }, CALL),
    );
    return "ok";
  } catch (error) {
    return reasonOf(ConnectError.from(error)) ?? String(error);
  }
}

const REASONS = { alice: "CANCELLED_BY_CUSTOMER", olivia: "CANCELLED_BY_OPERATOR" };

/**
 * Expects one cancel to win, sent once or twice: its order ends CANCELLED, for its reason. A cancel
 * that loses is refused.
 */
function expectOneWinner({ cancels, answers, order }: Raced): void {
  for (const answer of answers) expect(["ok", "ORDER_NOT_CANCELLABLE"]).toContain(answer);
  const winners = cancels.filter((_, n) => answers[n] === "ok");
  const [winner] = winners;
  expect(OrderStatus[order.status]).toBe(winner === undefined ? "CONFIRMED" : "CANCELLED");
  expect(order.failure?.reason).toBe(winner && REASONS[winner.by]);
  // A repeated request gets the same response.
  expect(winners).toEqual(cancels.filter(({ requestId }) => requestId === winner?.requestId));
}

/**
 * A stream ends when the order is settled; a confirmed order may be cancelled later. What was
 * refunded is known a few seconds after that, from Payment's feed.
 */
function expectStreamsToAgree({ order, watchedThroughout, watchedAfterwards }: Raced): void {
  expect(settled(watchedAfterwards)).toEqual(settled(order));
  expect([OrderStatus.CONFIRMED, order.status]).toContain(watchedThroughout?.status);
  const seen = watchedThroughout?.timeline.length ?? 0;
  expect(watchedThroughout?.timeline).toEqual(order.timeline.slice(0, seen));
  if (watchedThroughout?.status === order.status)
    expect(settled(watchedThroughout)).toEqual(settled(order));
}

const settled = (order: Order | undefined) => ({
  ...order,
  refunded: undefined,
  updateTime: undefined,
});

test(`a cancel races the order, other cancels and the death of its owner: one wins (CANCEL_RACES_SEED=${seed})`, async () => {
  const running: Promise<Raced>[] = [];
  // All races are drawn first: faults draw from the same generator, in no certain order.
  for (const race of Array.from({ length: ORDERS_AT_MOST }, aRace)) {
    if (running.length >= ORDERS && hasEnoughFaults()) break;
    running.push(run(race));
    await sleep(BETWEEN_ORDERS_MS);
  }
  const races = await Promise.all(running);
  await fleet.complete();
  expect(await loggedErrors(stack)).toEqual([]);
  for (const race of races) {
    expectOneWinner(race);
    expectStreamsToAgree(race);
  }
  const byStatus = await expectInvariants(stack, {
    acknowledged: new Map(races.map(({ requestId, order }) => [requestId, order.id])),
  });
  const [product] = await sql<{ stock: bigint }[]>`select stock from products where sku = ${SKU}`;
  expect(product?.stock).toBe(STOCK - BigInt(byStatus["CONFIRMED"] ?? 0));
  expect((await readSnapshot(stack)).sagas.flatMap(staleWrites)).toEqual([]);
  expectEverythingToHaveHappened(races);
});

/** The fleet skips a fault while too many replicas are missing. */
const hasEnoughFaults = (): boolean =>
  (["killed", "frozen"] as const).every((how) => fleet.log.count(how) >= FAULTS_OF_A_KIND);

/** A race that the same side always wins tests nothing. */
function expectEverythingToHaveHappened(races: readonly Raced[]): void {
  const steps = races.map(({ order }) => new Set(order.timeline.map(({ step }) => step)));
  expect(
    steps.filter((some) => some.has("restock")).length,
    "cancelled when they were confirmed",
  ).toBeGreaterThan(5);
  expect(steps.filter((some) => !some.has("restock")).length, "cancelled before").toBeGreaterThan(
    5,
  );
  expect(
    races.flatMap(({ answers }) => answers).filter((answer) => answer !== "ok").length,
    "refused",
  ).toBeGreaterThan(5);
  expect(hasEnoughFaults(), "owners that were killed, and frozen").toBe(true);
}

import { type UnpaidOrders, watchUnpaidOrders } from "@tercet/audit";
import { startTcpProxy, type TcpProxy } from "@tercet/chaos";
import { type Order, OrderStatus } from "@tercet/gen/order/v1/order_service";
import { orderFailpoints } from "@tercet/order";
import { paymentFailpoints } from "@tercet/payment";
import type { Env } from "@tercet/service";
import {
  type Api,
  createApi,
  logIn,
  type ServiceName,
  type ServiceProcess,
  type Stack,
} from "@tercet/stack";
import { afterAll, beforeAll, describe, expect, inject, test, vi } from "vitest";
import { outcome, PATIENCE, persistently } from "./calls.ts";
import { expectInvariants, movedFor } from "./expect-invariants.ts";
import { patient } from "./patience.ts";
import { startTestStack, type TestFolder, testFolder } from "./stack.ts";
import { aTeapot, putTeapots } from "./teapots.ts";

const SETTINGS = {
  SAGA_LEASE_MS: "1000",
  PROVIDER_TIMEOUT_MS: "300",
  RECONCILE_AFTER_MS: "1000",
  RECONCILE_INTERVAL_MS: "200",
  RECONCILE_ABANDONED_EVERY_MS: "1000",
  REFUND_FEED_DELAY_MS: "500",
  REFUND_FEED_INTERVAL_MS: "1000",
};
const NO_RECONCILER = { RECONCILE_AFTER_MS: "3600000", ABANDON_AFTER_MS: "3600000" };
/** The deadline for orders whose charge gets no reply: they are PENDING by then. */
const SHORT = { timeoutMs: patient(1_500) };
/** How long a charge is held back: an order is PENDING, and cancelled elsewhere, meanwhile. */
const HELD_BACK_MS = SHORT.timeoutMs + patient(2_500);
const ALL_ENDED_MS = patient(30_000);

let folder: TestFolder;
/** In front of Payment, like a load balancer. */
let proxy: TcpProxy;
let stack: Stack;
let aliceToken: string;
let alice: Api;
let olivia: Api;
const acknowledged = new Map<string, string>();
const over = new AbortController();
/** Sampled while processes are killed. */
let unpaid: Promise<UnpaidOrders>;

beforeAll(async () => {
  folder = await testFolder();
  proxy = await startTcpProxy();
  stack = await startTestStack(folder, SETTINGS, { PAYMENT_URL: proxy.url });
  steer(stack.urls.payment);
  ({ accessToken: aliceToken } = await createApi(stack.urls.edge).identity.login(
    stack.users.alice,
  ));
  alice = createApi(stack.urls.edge, aliceToken);
  olivia = await logIn(stack.urls.edge, stack.users.olivia);
  unpaid = watchUnpaidOrders(stack, over.signal);
});
afterAll(async () => {
  over.abort();
  await unpaid;
  await stack?.[Symbol.asyncDispose]();
  await proxy?.[Symbol.asyncDispose]();
  await folder?.[Symbol.asyncDispose]();
});

/** Sends Order's calls of Payment to this URL from now on. */
function steer(url: string): void {
  proxy.to(url);
  proxy.reset();
}

/** How an order reaches a failpoint, and how it still ends. */
interface Scenario {
  readonly token: string;
  /** Pieces in stock; an order is for one. */
  readonly stock?: bigint;
  /** The hit that kills. */
  readonly hit?: number;
  readonly ending: OrderStatus.CONFIRMED | OrderStatus.REJECTED | OrderStatus.CANCELLED;
}

const confirmed: Scenario = { token: "tok_visa", ending: OrderStatus.CONFIRMED };
const declined: Scenario = { token: "tok_declined", ending: OrderStatus.REJECTED };
const soldOut: Scenario = { token: "tok_visa", stock: 0n, ending: OrderStatus.CANCELLED };
const flaky: Scenario = { token: "tok_flaky", ending: OrderStatus.CONFIRMED };
const answerLost: Scenario = { token: "tok_timeout_then_success", ending: OrderStatus.CONFIRMED };
/** The provider never replies: the order is PENDING until it is cancelled. */
const unanswered: Scenario = { token: "tok_timeout", ending: OrderStatus.CANCELLED };

/** `call`: what the victim is called for; `drain`: it is killed while it stops; `env`: its own. */
interface OrderScenario extends Scenario {
  readonly call?: "cancel";
  readonly drain?: true;
  readonly env?: Env;
}

/** The victim reads a refund before the other replica does. */
const EAGER = { REFUND_FEED_INTERVAL_MS: "50" };

const orderScenarios: Readonly<Record<string, OrderScenario>> = {
  "order.insertOrder": confirmed,
  "order.confirmOrders": confirmed,
  "order.closeOrders": declined,
  "order.reflectMoves": soldOut,
  "order.cancelConfirmed": { ...confirmed, call: "cancel", ending: OrderStatus.CANCELLED },
  "order.restockOrders": { ...confirmed, call: "cancel", ending: OrderStatus.CANCELLED },
  "order.intervene": { ...unanswered, call: "cancel" },
  // Idle replicas pass these too: several hits later the victim has a saga.
  "sagas.heartbeat": { ...answerLost, hit: 5 },
  "sagas.claimDue": { ...answerLost, hit: 3 },
  "sagas.move": flaky,
  "sagas.release": { ...confirmed, drain: true },
  "payments.processPayment": confirmed,
  "payments.refundPayment": soldOut,
  // It reads the feed as soon as it starts; after this many hits it is ready.
  "payments.listRefundedPayments": { ...confirmed, hit: 40, env: EAGER },
  "order.recordRefunds": { ...soldOut, env: EAGER },
};

/**
 * `also`: failpoints that lead there; `env`: of the victim; `cancel`: when the order is cancelled.
 */
interface PaymentScenario extends Scenario {
  readonly also?: string;
  readonly env?: Env;
  /**
   * "meanwhile": through the victim; "elsewhere": while the victim still works on the charge;
   * "afterwards".
   */
  readonly cancel?: "meanwhile" | "elsewhere" | "afterwards";
}

/** Acts at each of the first hits, so that every order that is tried meets it. */
const always = (failpoint: string): string =>
  Array.from({ length: 8 }, (_, hit) => `${failpoint}@${hit + 1}`).join(";");

const paymentScenarios: Readonly<Record<string, PaymentScenario>> = {
  "store.open": confirmed,
  "provider.charge": confirmed,
  "store.settle": confirmed,
  "provider.find": answerLost,
  "store.reserveRefund": soldOut,
  "provider.refund": soldOut,
  "store.settleRefund": soldOut,
  "store.void": { ...unanswered, also: always("before:store.open=hang"), cancel: "meanwhile" },
  "store.abandon": { ...unanswered, cancel: "meanwhile" },
  "store.markAttempted": {
    ...unanswered,
    env: { RECONCILE_AFTER_MS: "301", RECONCILE_INTERVAL_MS: "50", ABANDON_AFTER_MS: "3600000" },
    cancel: "afterwards",
  },
  // It checks payments of other orders as soon as it starts; after this many hits it is ready.
  "store.keepWatch": {
    ...unanswered,
    hit: 40,
    env: { ...NO_RECONCILER, RECONCILE_ABANDONED_EVERY_MS: "100" },
    cancel: "meanwhile",
  },
  "store.recordLateCharge": {
    ...confirmed,
    also: always(`after:store.open=delay(${HELD_BACK_MS})`),
    cancel: "elsewhere",
    ending: OrderStatus.CANCELLED,
  },
};

const callOf = (failpoint: string): string => failpoint.split(":")[1] ?? "";

/** The project "sample" runs these, the project "crash" all others. */
const SAMPLE = [
  "after:order.insertOrder",
  "before:sagas.move",
  "after:payments.processPayment",
  "after:provider.charge",
  "before:store.settleRefund",
];
const chosen = (failpoints: readonly string[]): string[] =>
  failpoints.filter((name) => SAMPLE.includes(name) === (inject("crashes") === "sample"));

/** An order of a product that no other test buys. Each call repeats the same ids. */
async function anOrder({ token, stock = 1n }: Scenario) {
  const sku = await putTeapots(olivia, stock);
  const request = aTeapot(sku, token);
  const { requestId } = request;
  const cancelId: string = crypto.randomUUID();
  const options = token === "tok_timeout" ? SHORT : {};
  const acknowledge = (order: Order) => {
    acknowledged.set(requestId, order.id);
    return order;
  };
  return {
    requestId,
    place: async ({ orders }: Api, { timeoutMs }: { timeoutMs?: number } = options) =>
      acknowledge(await orders.createOrder(request, timeoutMs === undefined ? {} : { timeoutMs })),
    cancel: ({ orders }: Api, orderId: string) =>
      orders.cancelOrder({ orderId, requestId: cancelId, reason: "changed my mind" }, options),
    stock: async () => {
      for (let pageToken = ""; ; ) {
        const page = await olivia.catalog.listProducts({ pageSize: 100, pageToken });
        const found = page.products.find((candidate) => candidate.sku === sku);
        if (found !== undefined) return found.stock;
        pageToken = page.nextPageToken;
      }
    },
  };
}

type AnOrder = Awaited<ReturnType<typeof anOrder>>;

/**
 * Another order's saga may kill the victim at its failpoint before it is ready: then another victim
 * is started.
 */
const startVictim = (
  name: ServiceName,
  failpoints: string,
  env: Env = {},
): Promise<ServiceProcess> =>
  vi.waitFor(() => stack.startReplica(name, { NODE_ENV: "test", FAILPOINTS: failpoints, ...env }), {
    timeout: 30_000,
  });

/** How long an order takes to bring the victim to its failpoint. */
const REACHED = { timeout: patient(4_000) + HELD_BACK_MS, interval: 100 };
const TRIES = 4;

/**
 * Brings the victim to its failpoint. Replicas share their work, so another one, or the reconciler,
 * may finish an order before the victim reaches its failpoint. Then that order ended well, and
 * another one is placed.
 */
async function untilKilled({ exited }: ServiceProcess, bring: () => Promise<void>): Promise<void> {
  let exit = "still alive: it never came to its failpoint";
  void exited.then((how) => {
    exit = how;
  });
  for (let tries = 1; ; tries++) {
    await bring();
    const killed = vi.waitFor(() => expect(exit).toBe("SIGKILL"), REACHED);
    if (tries === TRIES) return await killed;
    if (
      await killed.then(
        () => true,
        () => false,
      )
    )
      return;
  }
}

/**
 * connect-node reports a connection that is reset as "aborted", one that is refused, or ends behind
 * the edge, as "unavailable".
 */
const ALLOWED = ["ok", "Aborted", "Unavailable", "DeadlineExceeded"];

/** Expects the order to end as it should, also in the response to a retry. */
async function expectEnding(order: AnOrder, { stock = 1n, ending }: Scenario): Promise<void> {
  const { id: orderId } = await persistently(() => order.place(alice));
  await vi.waitFor(async () => {
    const { status } = await alice.orders.getOrder({ orderId });
    expect(OrderStatus[status]).toBe(OrderStatus[ending]);
  }, PATIENCE);
  const { paymentId, ...last } = await persistently(() => order.place(alice));
  expect(last).toMatchObject({ id: orderId, status: ending });
  // A late charge is refunded without a further call.
  await vi.waitFor(async () => {
    const { charges, refunds } = await movedFor(stack, paymentId);
    expect(charges.length - refunds.length).toBe(ending === OrderStatus.CONFIRMED ? 1 : 0);
  }, PATIENCE);
  await vi.waitFor(async () => {
    const { refunds } = await movedFor(stack, paymentId);
    const { refunded } = await alice.orders.getOrder({ orderId });
    expect(refunded?.minorUnits).toBe(refunds[0]?.minorUnits ?? 0n);
  }, PATIENCE);
  expect(await order.stock()).toBe(ending === OrderStatus.CONFIRMED ? stock - 1n : stock);
}

test("every failpoint has a scenario", () => {
  const calls = (failpoints: readonly string[]) => [...new Set(failpoints.map(callOf))].sort();
  expect(Object.keys(orderScenarios).sort()).toEqual(calls(orderFailpoints));
  expect(Object.keys(paymentScenarios).sort()).toEqual(calls(paymentFailpoints));
  expect([...orderFailpoints, ...paymentFailpoints]).toEqual(expect.arrayContaining(SAMPLE));
});

describe("Order is killed", () => {
  test.concurrent.each(chosen(orderFailpoints))("%s", async (failpoint) => {
    const scenario = orderScenarios[callOf(failpoint)];
    if (scenario === undefined) throw new Error("no scenario");
    const placed: {
      order: AnOrder;
      call: (api: Api) => Promise<Order>;
      answer: Promise<string>;
    }[] = [];
    const victim = await startVictim(
      "order",
      `${failpoint}=kill@${scenario.hit ?? 1}`,
      scenario.env,
    );
    await untilKilled(victim, async () => {
      const order = await anOrder(scenario);
      const first = scenario.call === "cancel" ? await order.place(alice) : undefined;
      const call = (api: Api) =>
        first === undefined ? order.place(api) : order.cancel(api, first.id);
      const answer = outcome(call(createApi(victim.url, aliceToken)));
      if (scenario.drain) void answer.then(() => victim.stop());
      placed.push({ order, call, answer });
    });
    for (const { order, call, answer } of placed) {
      expect(ALLOWED).toContain(await answer);
      await persistently(() => call(alice));
      await expectEnding(order, scenario);
    }
  });
});

describe("Payment is killed", () => {
  test.each(chosen(paymentFailpoints))("%s", async (failpoint) => {
    const scenario = paymentScenarios[callOf(failpoint)];
    if (scenario === undefined) throw new Error("no scenario");
    const { also, env = NO_RECONCILER, cancel } = scenario;
    const placed: { order: AnOrder; answer: Promise<string> }[] = [];
    const victim = await startVictim(
      "payment",
      [also, `${failpoint}=kill@${scenario.hit ?? 1}`].filter(Boolean).join(";"),
      env,
    );
    await untilKilled(victim, async () => {
      const order = await anOrder(scenario);
      steer(victim.url);
      const answer = outcome(order.place(alice, cancel === undefined ? {} : SHORT));
      placed.push({ order, answer });
      if (cancel === undefined) return;
      await answer;
      if (cancel === "elsewhere") steer(stack.urls.payment);
      if (cancel !== "afterwards")
        await outcome(order.cancel(alice, acknowledged.get(order.requestId) ?? ""));
    });
    steer(stack.urls.payment);
    for (const { order, answer } of placed) {
      expect(ALLOWED).toContain(await answer);
      const orderId = acknowledged.get(order.requestId) ?? "";
      if (cancel === "afterwards") await order.cancel(alice, orderId);
      await expectEnding(order, scenario);
    }
  });
});

test("afterwards the invariants hold", { timeout: ALL_ENDED_MS + 10_000 }, async () => {
  over.abort();
  const { unpaid: found, looks } = await unpaid;
  expect(found).toEqual([]);
  expect(looks).toBeGreaterThan(10);
  const orders = await expectInvariants(stack, { acknowledged, withinMs: ALL_ENDED_MS });
  expect(Object.values(orders).reduce((sum, count) => sum + count, 0)).toBe(acknowledged.size);
});

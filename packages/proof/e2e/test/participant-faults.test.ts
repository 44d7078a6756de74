import { setTimeout as sleep } from "node:timers/promises";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { startTcpProxy, type TcpProxy } from "@tercet/chaos";
import { CatalogService } from "@tercet/gen/order/v1/catalog_service";
import { type Order, OrderStatus } from "@tercet/gen/order/v1/order_service";
import { SagaAction, type SagaEvent, SagaOutcome } from "@tercet/gen/order/v1/saga_event";
import { PaymentStatus } from "@tercet/gen/payment/v1/payment_service";
import { createServiceClient } from "@tercet/service";
import { type Api, createApi, logIn, type Stack } from "@tercet/stack";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { becomes, isLate, outcome, PATIENCE, persistently } from "./calls.ts";
import { failure } from "./clients/failure.ts";
import { expectInvariants, moves } from "./expect-invariants.ts";
import { readSecrets, signToken } from "./forged-token.ts";
import { nonsense, startHostileServer } from "./hostile.ts";
import { patient } from "./patience.ts";
import { seenByPayment } from "./payment-log.ts";
import { logLines } from "./service-log.ts";
import { startTestStack, type TestFolder, testFolder } from "./stack.ts";
import { aTeapot, putTeapots } from "./teapots.ts";

/** Less than tok_slow takes. */
const STEP_TIMEOUT_MS = 1_000;
const SETTINGS = { SAGA_STEP_TIMEOUT_MS: String(STEP_TIMEOUT_MS) };
/** For orders that stay PENDING. */
const SHORT = { timeoutMs: patient(800) };
/** For many such orders at once. */
const MANY = { timeoutMs: patient(2_500) };

let folder: TestFolder;
/** Between Order and Payment. */
let proxy: TcpProxy;
let stack: Stack;
let aliceToken: string;
let alice: Api;
let olivia: Api;
let crowd: readonly Api[];
let sku: string;

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
  sku = await putTeapots(olivia, 1_000n);
  crowd = await Promise.all(Array.from({ length: 15 }, customer));
});
afterAll(async () => {
  await stack?.[Symbol.asyncDispose]();
  await proxy?.[Symbol.asyncDispose]();
  await folder?.[Symbol.asyncDispose]();
});
afterEach(async () => {
  // A test that failed must not fail the next one.
  proxy.inject();
  steer(stack.urls.payment);
  await stack.services.payment.start();
  await expectInvariants(stack);
});

/** Sends Order's calls of Payment to this URL from now on. */
function steer(url: string): void {
  proxy.to(url);
  proxy.reset();
}

/** Recognise a charge, and its response, on the wire. */
const isCharge = (bytes: Buffer): boolean => bytes.includes("tok_");
const isCharged = (bytes: Buffer): boolean => bytes.includes("CHARGE_SUCCEEDED");

/** A customer who has called before. */
async function customer(): Promise<Api> {
  const token = await signToken(stack, { sub: crypto.randomUUID(), roles: ["customer"] });
  const api = createApi(stack.urls.edge, token);
  await api.orders.listOrders({});
  return api;
}

/** Places an order. If a busy machine answers too late, it is asked for again. */
const place = (options = {}, token = "tok_visa", { orders } = alice): Promise<Order> => {
  const order = aTeapot(sku, token);
  return persistently(() => orders.createOrder(order, options), isLate);
};

/** Places orders at once, of many customers and cards: one alone has only a share. */
const placeByMany = (count: number): Promise<Order[]> =>
  Promise.all(
    Array.from({ length: count }, (_, n) => place(MANY, `tok_visa_${n}`, crowd[n % crowd.length])),
  );

/** The outcome of each attempt at the charge, and at its refund. */
const attempts = ({ timeline }: Order): string[] =>
  timeline
    .filter(({ step }) => step === "charge")
    .map(({ action, outcome }) => `${SagaAction[action]} ${SagaOutcome[outcome]}`);

test("the reply to a charge is lost: the charge is retried, not undone", async () => {
  const seen = (await seenByPayment(stack, "ProcessPayment")).length;
  const dropped = proxy.dropReply(isCharge, isCharged);
  const order = await place();
  await dropped;
  expect(order.status).toBe(OrderStatus.CONFIRMED);
  // On a busy machine the first retry can be late too.
  expect(attempts(order).at(0)).toBe("RUN UNKNOWN");
  expect(attempts(order).at(-1)).toBe("RUN SUCCEEDED");
  expect(await moves(stack, order)).toEqual([1, 0]);
  const calls = (await seenByPayment(stack, "ProcessPayment")).length - seen;
  expect(calls).toBeGreaterThan(1);
  expect(calls).toBeLessThanOrEqual(attempts(order).length);
});

test("a charge takes longer than its deadline: the retry finds that it has succeeded", async () => {
  const order = await place({}, "tok_slow");
  expect(order.status).toBe(OrderStatus.CONFIRMED);
  expect(attempts(order).at(0)).toBe("RUN UNKNOWN");
  expect(attempts(order).at(-1)).toBe("RUN SUCCEEDED");
  expect(await moves(stack, order)).toEqual([1, 0]);
});

test("a refund overtakes its charge, which is refused when it arrives", async () => {
  proxy.inject({ blackHole: true });
  const pending = await place(SHORT);
  expect(pending.status).toBe(OrderStatus.PENDING);
  const cancel = { orderId: pending.id, requestId: crypto.randomUUID(), reason: "too slow" };
  await persistently(() => alice.orders.cancelOrder(cancel, SHORT), isLate);
  // Everything in transit is lost.
  proxy.reset();
  proxy.inject();
  const {
    id: orderId,
    customerId,
    paymentId,
    total,
  } = await becomes(alice, pending, OrderStatus.CANCELLED);
  expect((await olivia.payments.getPayment({ paymentId })).status).toBe(PaymentStatus.VOIDED);
  const { orderClientSecret: clientSecret } = await readSecrets(stack);
  const orderService = { clientId: "order", audience: "payment", clientSecret };
  const { accessToken } = await createApi(stack.urls.identity).identity.issueServiceToken(
    orderService,
  );
  const { payments } = createApi(stack.urls.payment, accessToken);
  const late = payments.processPayment({
    paymentId,
    orderId,
    customerId,
    amount: total,
    paymentMethod: { token: "tok_visa" },
  });
  expect(await failure(late)).toEqual({ code: "failed_precondition", reason: "PAYMENT_VOIDED" });
  expect(await moves(stack, pending)).toEqual([0, 0]);
});

test.each(nonsense)(
  "Payment responds with %s: the outcome is unknown, so the charge is retried",
  async (kind) => {
    await using hostile = await startHostileServer(kind);
    steer(hostile.url);
    const pending = await place(SHORT);
    expect(pending.status).toBe(OrderStatus.PENDING);
    await vi.waitFor(() => expect(hostile.calls).toBeGreaterThan(1), PATIENCE);
    steer(stack.urls.payment);
    const order = await becomes(alice, pending, OrderStatus.CONFIRMED);
    const [answered, ...failed] = attempts(order).reverse();
    expect(answered).toBe("RUN SUCCEEDED");
    for (const attempt of failed) expect(["RUN UNKNOWN", "RUN RETRY_SCHEDULED"]).toContain(attempt);
    expect(await moves(stack, order)).toEqual([1, 0]);
  },
);

test("Payment charges, and responds with nonsense until the order's deadline: the money is refunded", async () => {
  await using hostile = await startHostileServer("gRPC internal");
  const deadline = { SAGA_DEADLINE_MS: String(patient(1_000)) };
  await using hasty = await stack.startReplica("order", deadline);
  const dropped = proxy.dropReply(isCharge, (bytes) => {
    // Any replica may resume the saga: none keeps its connection to Payment.
    if (isCharged(bytes)) steer(hostile.url);
    return isCharged(bytes);
  });
  const pending = await place(SHORT, "tok_visa", createApi(hasty.url, aliceToken));
  await dropped;
  const turned = await becomes(alice, pending, OrderStatus.CANCELLING);
  expect(turned.failure?.reason).toBe("PAYMENT_UNAVAILABLE");
  expect(hostile.calls).toBeGreaterThan(0);
  expect(await moves(stack, pending)).toEqual([1, 0]);
  steer(stack.urls.payment);
  const order = await becomes(alice, pending, OrderStatus.CANCELLED);
  expect(attempts(order).at(-1)).toBe("UNDO SUCCEEDED");
  expect(await moves(stack, order)).toEqual([1, 1]);
});

test("the client disconnects while its order is placed: the order is still settled", async () => {
  const leaving = new AbortController();
  const request = aTeapot(sku, "tok_slow");
  const left = outcome(alice.orders.createOrder(request, { signal: leaving.signal }));
  const pending = await vi.waitFor(async () => {
    const { orders } = await alice.orders.listOrders({ status: OrderStatus.PENDING });
    return orders[0] ?? expect.unreachable("no order yet");
  }, PATIENCE);
  leaving.abort();
  expect(await left).toBe("Canceled");
  const order = await becomes(alice, pending, OrderStatus.CONFIRMED);
  expect(await moves(stack, order)).toEqual([1, 0]);
  // A retry with the same request_id returns that order.
  expect((await alice.orders.createOrder(request)).id).toBe(order.id);
});

// An unhandled error event would end the process, and this run.
test.each([
  ["many at a time", 50],
  ["one after the other", 1_000],
])("a connection that is cut silently is found by PING; calls come %s", async (_name, everyMs) => {
  const [pingIntervalMs, pingTimeoutMs, timeoutMs] = [500, 300, 400];
  await using cut = await startTcpProxy(stack.urls.order);
  await using line = await startTcpProxy(cut.url);
  const client = createServiceClient(CatalogService, {
    baseUrl: line.url,
    timeoutMs,
    maxAttempts: 1,
    pingIntervalMs,
    pingTimeoutMs,
  });
  await client.listProducts({});
  // New connections go around the cut.
  line.to(stack.urls.order);
  cut.inject({ blackHole: true });
  const vanished = performance.now();
  const codes: string[] = [];
  while (!codes.includes("ok")) {
    const call = outcome(client.listProducts({})).then((code) => codes.push(code));
    await Promise.race([call, sleep(everyMs)]);
    expect(performance.now() - vanished).toBeLessThan(
      pingIntervalMs + pingTimeoutMs + 2 * timeoutMs + patient(500),
    );
  }
  expect(codes[0]).toBe("DeadlineExceeded");
});

/**
 * Makes 200 sequential calls that do not involve Payment; resolves to the second longest time, in
 * milliseconds.
 */
async function p99({ orders, catalog }: Api, orderId: string): Promise<number> {
  const times: number[] = [];
  for (let n = 0; n < 200; n++) {
    const started = performance.now();
    await (n % 2 === 0 ? orders.getOrder({ orderId }) : catalog.listProducts({}));
    times.push(performance.now() - started);
  }
  return times.sort((a, b) => a - b).at(-2) ?? 0;
}

test("a slow Payment is abandoned at its deadline, and slows nothing else down", async () => {
  const direct = createApi(stack.urls.order, aliceToken);
  const { id } = await place();
  await p99(direct, id);
  const normal: number[] = [];
  const meanwhile: number[] = [];
  for (let round = 0; round < 2; round++) {
    normal.push(await p99(direct, id));
    proxy.inject({ latencyMs: 10_000 });
    const started = performance.now();
    const placed = await placeByMany(30);
    expect(performance.now() - started).toBeLessThan(MANY.timeoutMs + patient(1_000));
    meanwhile.push(await p99(direct, id));
    await vi.waitFor(async () => {
      const orders = await Promise.all(
        placed.map(({ id: orderId }) => olivia.orders.getOrder({ orderId })),
      );
      for (const order of orders)
        expect([OrderStatus[order.status], attempts(order)[0]]).toEqual(["PENDING", "RUN UNKNOWN"]);
    }, PATIENCE);
    proxy.inject();
    await Promise.all(placed.map((order) => becomes(olivia, order, OrderStatus.CONFIRMED)));
  }
  // The floor is for a loaded machine.
  expect(Math.max(...meanwhile)).toBeLessThan(Math.max(2 * Math.min(...normal), patient(150)));
});

/** Resolves to what Order has logged of the breaker of its calls to Payment. */
async function breakerLines(): Promise<unknown[]> {
  return (await logLines(stack, "order"))
    .filter(
      ({ event, rpc_service: called }) =>
        String(event).startsWith("circuit_breaker_") && called === "payment.v1.PaymentService",
    )
    .map(({ msg }) => msg);
}

const DOWN_MS = 6_000;
const BACK_MS = patient(5_000);
const WAITING = 40;

test("Payment is down for a while: the breaker opens, orders wait, and soon after its return they are confirmed", async () => {
  const seen = (await seenByPayment(stack, "ProcessPayment")).length;
  const logged = (await breakerLines()).length;
  await stack.services.payment.stop();
  const placed = await placeByMany(WAITING);
  const down = performance.now();
  const pending = async () =>
    (await olivia.orders.listOrders({ status: OrderStatus.PENDING, pageSize: 100 })).orders.length;
  while (performance.now() - down < DOWN_MS) expect(await pending()).toBe(WAITING);
  const returning = Date.now();
  await stack.services.payment.start();
  const back = performance.now();
  await vi.waitFor(async () => expect(await pending()).toBe(0), {
    timeout: 3 * BACK_MS,
    interval: 50,
  });
  const recovered = performance.now() - back;
  const orders = await Promise.all(
    placed.map(({ id: orderId }) => olivia.orders.getOrder({ orderId })),
  );
  expect(new Set(orders.map(({ status }) => OrderStatus[status]))).toEqual(new Set(["CONFIRMED"]));
  const failures = [SagaOutcome.UNKNOWN, SagaOutcome.RETRY_SCHEDULED];
  const failed = orders.flatMap(({ timeline }) =>
    timeline.filter(({ outcome }) => failures.includes(outcome)),
  );
  const isSpared = ({ message }: SagaEvent) => message.includes("not called");
  const spared = failed.filter(isSpared);
  expect(new Set(spared.map(({ outcome }) => outcome))).toEqual(
    new Set([SagaOutcome.RETRY_SCHEDULED]),
  );
  // Each order two or three times before the breaker opens, and a probe now and then; without a
  // breaker there are five hundred.
  expect(failed.length - spared.length).toBeLessThan(5 * WAITING);
  expect(spared.length).toBeGreaterThan(failed.length / 2);
  // One call for each order, and one more for each that Payment, just started, did not answer in
  // time.
  const unanswered = failed.filter(
    (event) => !isSpared(event) && event.time && timestampMs(event.time) >= returning,
  ).length;
  const calls = (await seenByPayment(stack, "ProcessPayment")).length - seen;
  expect(calls).toBeGreaterThanOrEqual(WAITING);
  expect(calls).toBeLessThanOrEqual(WAITING + unanswered);
  expect(unanswered).toBeLessThan(WAITING);
  expect(recovered).toBeLessThan(BACK_MS);
  // Failed probes write no line. A service that has just started may be refused once more.
  const lines = (await breakerLines()).slice(logged);
  const pairs = lines.length / 2;
  expect([1, 2]).toContain(pairs);
  expect(lines).toEqual(
    Array.from({ length: pairs }, () => [
      "circuit breaker opened",
      "circuit breaker closed",
    ]).flat(),
  );
});

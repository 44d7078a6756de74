import { freePort } from "@tercet/cli";
import { SagaAction } from "@tercet/gen/order/v1/saga_event";
import { type Api, createApi, logIn, type Stack } from "@tercet/stack";
import { afterAll, beforeAll, describe, expect, inject, test, vi } from "vitest";
import { isLate, persistently } from "./calls.ts";
import { type OtlpReceiver, type ReceivedSpan, startOtlpReceiver } from "./otlp.ts";
import { allLines } from "./service-log.ts";
import { startTestStack, type TestFolder, testFolder } from "./stack.ts";
import { startTool } from "./tool.ts";

const SETTINGS = { SAGA_LEASE_MS: "1000", PROVIDER_TIMEOUT_MS: "300", RECONCILE_AFTER_MS: "1000" };
const WITHIN = { timeout: 15_000, interval: 100 };

let folder: TestFolder;
let otlp: OtlpReceiver;
let stack: Stack;
let alice: Api;

beforeAll(async () => {
  folder = await testFolder();
  otlp = await startOtlpReceiver();
  stack = await startTestStack(folder, { ...SETTINGS, ...otlp.env });
  alice = await logIn(stack.urls.edge, stack.users.alice);
});
afterAll(async () => {
  await stack?.[Symbol.asyncDispose]();
  await otlp?.[Symbol.asyncDispose]();
  await folder?.[Symbol.asyncDispose]();
});

const newTrace = () => ({
  traceId: crypto.randomUUID().replaceAll("-", ""),
  spanId: crypto.randomUUID().replaceAll("-", "").slice(16),
});

/** Places an order whose caller has its own trace. */
async function placed({ orders }: Api, token: string, sku = "MUG-BLUE", timeoutMs = 10_000) {
  const caller = newTrace();
  const headers = {
    traceparent: `00-${caller.traceId}-${caller.spanId}-01`,
    "x-correlation-id": `test-${caller.traceId}`,
  };
  const request = {
    requestId: crypto.randomUUID(),
    items: [{ sku, quantity: 1 }],
    paymentMethod: { token },
  };
  const order = await persistently(
    () => orders.createOrder(request, { headers, timeoutMs }),
    isLate,
  );
  return { order, ...caller };
}

const spansOf = (traceId: string) => otlp.spans.filter((span) => span.traceId === traceId);
const statementsOf = (traceId: string) =>
  spansOf(traceId)
    .filter(({ attributes }) => attributes["db.system.name"] === "postgresql")
    .map(({ service, name }) => `${service} ${name}`);

/** "service name" of the spans below a span, recursively, without database statements. */
function tree(traceId: string, parent: string): unknown {
  const below = spansOf(traceId).filter(
    ({ parentSpanId, attributes }) =>
      parentSpanId === parent && attributes["db.system.name"] === undefined,
  );
  return below.map((span) => [`${span.service} ${span.name}`, tree(traceId, span.spanId)]).sort();
}

const leaf = (name: string): unknown => [name, []];
/** Its token may have been fetched during the call. */
const withoutTokens = (spans: unknown): unknown =>
  Array.isArray(spans)
    ? spans
        .filter(([name]) => !String(name).includes("IssueServiceToken"))
        .map(([name, below]) => [name, withoutTokens(below)])
    : spans;

const payment = (step: string, rpc: string, ...provider: string[]): unknown => [
  `order ${step}`,
  [
    [
      `order payment.v1.PaymentService/${rpc}`,
      [
        [
          `payment payment.v1.PaymentService/${rpc}`,
          provider.map((call) => leaf(`payment provider ${call}`)),
        ],
      ],
    ],
  ],
];

const expectTree = (traceId: string, root: string, expected: unknown) =>
  vi.waitFor(() => expect(withoutTokens(tree(traceId, root))).toEqual(expected), WITHIN);

describe("an order is one trace over three services", () => {
  test("that is confirmed", async () => {
    const { traceId, spanId } = await placed(alice, "tok_visa");
    const drive = [
      "order saga place-order",
      [leaf("order allocate RUN"), payment("charge RUN", "ProcessPayment", "charge")],
    ];
    await expectTree(traceId, spanId, [["order order.v1.OrderService/CreateOrder", [drive]]]);
    expect(spansOf(traceId).every(({ failed }) => !failed)).toBe(true);
    expect(statementsOf(traceId)).toEqual(
      expect.arrayContaining([
        "order INSERT requests, INSERT orders, INSERT sagas",
        "payment INSERT payments",
        "order UPDATE sagas, UPDATE products, UPDATE orders",
      ]),
    );
  });

  test("that is of a product that was ordered before, which is not read again", async () => {
    const readsOf = async () => {
      const { traceId } = await placed(alice, "tok_visa", "TRAVEL-CUP");
      const ended = ({ name }: ReceivedSpan) => name.endsWith("/CreateOrder");
      await vi.waitUntil(() => spansOf(traceId).some(ended), WITHIN);
      return statementsOf(traceId).filter((name) => name === "order SELECT products");
    };
    expect(await readsOf()).toHaveLength(1);
    expect(await readsOf()).toEqual([]);
  });

  test("that is sold out, and refunded", async () => {
    const { traceId, spanId, order } = await placed(alice, "tok_visa", "VINYL-FIRST-PRESS");
    const drive = [
      "order saga place-order",
      [
        leaf("order allocate RUN"),
        payment("charge RUN", "ProcessPayment", "charge"),
        payment("charge UNDO", "RefundPayment", "refund"),
        leaf("order create UNDO"),
      ],
    ];
    await expectTree(traceId, spanId, [["order order.v1.OrderService/CreateOrder", [drive]]]);
    const attempts = spansOf(traceId).filter(
      ({ attributes }) => attributes["saga.step"] !== undefined,
    );
    for (const { attributes } of attempts)
      expect(attributes).toMatchObject({ "saga.kind": "place-order", "order.id": order.id });
    expect(attempts.map(({ attributes }) => attributes["saga.action"])).toContain(
      SagaAction[SagaAction.UNDO],
    );
  });

  test("an attempt that failed says why, and has the next one beside it", async () => {
    const { traceId } = await placed(alice, "tok_flaky");
    const attempts = () => spansOf(traceId).filter(({ name }) => name === "charge RUN");
    await vi.waitFor(() => expect(attempts()).toHaveLength(3), WITHIN);
    expect(
      attempts().map(({ failed, attributes }) => [
        failed,
        attributes["error.type"],
        attributes["saga.attempt"],
      ]),
    ).toEqual([
      [true, "UNKNOWN_OUTCOME", 1],
      [true, "UNKNOWN_OUTCOME", 2],
      [false, undefined, 3],
    ]);
    // Each time the saga is resumed, it is linked to the call that began it.
    const serverOf = () => spansOf(traceId).find(({ name }) => name.endsWith("/CreateOrder"));
    const server = await vi.waitUntil(serverOf, WITHIN);
    const drivesOf = () => spansOf(traceId).filter(({ name }) => name === "saga place-order");
    await vi.waitFor(() => expect(drivesOf()).toHaveLength(3), WITHIN);
    const drives = drivesOf();
    expect(
      drives.map(({ links, attributes }) => [
        attributes["saga.resumed"],
        links.map((link) => link.spanId),
      ]),
    ).toEqual([
      [false, []],
      [true, [server.spanId]],
      [true, [server.spanId]],
    ]);
  });

  test("that is taken over from a replica that was killed goes on in the same trace", async () => {
    const replica = await stack.startReplica("order", {
      NODE_ENV: "test",
      FAILPOINTS: "before:payments.processPayment=hang",
    });
    const { accessToken } = await createApi(stack.urls.edge).identity.login(stack.users.alice);
    const { traceId } = await placed(
      createApi(replica.url, accessToken),
      "tok_visa",
      "MUG-BLUE",
      1_000 * inject("timeFactor"),
    );
    replica.kill();
    const takenOver = () =>
      spansOf(traceId).filter(({ attributes }) => attributes["saga.taken_over"] === true);
    await vi.waitFor(() => expect(takenOver()).toHaveLength(1), WITHIN);
    expect(takenOver()[0]?.links).toHaveLength(1);
  });
});

const mongod = process.env["MONGOMS_SYSTEM_BINARY"];
if (mongod === undefined)
  process.stderr.write("WITHOUT MONGODB: its commands are not looked for in traces\n");

test.skipIf(mongod === undefined)(
  "with payments in MongoDB its commands are in the trace",
  async () => {
    await using data = await testFolder();
    const port = String(await freePort());
    await using _server = await startTool({
      path: mongod ?? "",
      args: ["--port", port, "--bind_ip", "127.0.0.1", "--dbpath", data.path],
      readyUrl: `http://127.0.0.1:${port}/`,
    });
    await using stackFolder = await testFolder();
    await using mongo = await startTestStack(stackFolder, {
      ...SETTINGS,
      ...otlp.env,
      PAYMENT_DATABASE_URL: `mongodb://127.0.0.1:${port}/payments`,
    });
    const { traceId } = await placed(await logIn(mongo.urls.edge, mongo.users.alice), "tok_visa");
    await vi.waitFor(() => {
      const commands = spansOf(traceId).filter(
        ({ attributes }) => attributes["db.system.name"] === "mongodb",
      );
      expect(commands.map(({ service, name, kind }) => `${service} ${name} ${kind}`)).toContain(
        "payment findAndModify payments 3",
      );
    }, WITHIN);
  },
);

test("log lines of every service are found by the trace of the call", async () => {
  const { traceId } = await placed(alice, "tok_visa");
  await vi.waitFor(async () => {
    const lines = (await allLines(stack)).filter((line) => line["trace_id"] === traceId);
    expect(new Set(lines.map((line) => line["service"]))).toEqual(new Set(["order", "payment"]));
    expect(new Set(lines.map((line) => line["correlation_id"]))).toEqual(
      new Set([`test-${traceId}`]),
    );
  }, WITHIN);
});

test("metrics have the names, units and attributes of docs/metrics.md", async () => {
  await expect(alice.orders.getOrder({ orderId: crypto.randomUUID() })).rejects.toThrow();
  const points = (service: string, name: string) => otlp.metrics.get(`${service} ${name}`);
  await vi.waitFor(() => {
    expect(points("order", "rpc.server.call.duration")).toMatchObject({
      unit: "s",
      type: "histogram",
    });
    expect(
      points("order", "rpc.server.call.duration")?.points.map(({ attributes }) => attributes),
    ).toEqual(
      expect.arrayContaining([
        {
          "rpc.system.name": "connectrpc",
          "rpc.method": "order.v1.OrderService/CreateOrder",
          "rpc.response.status_code": "OK",
        },
        {
          "rpc.system.name": "connectrpc",
          "rpc.method": "order.v1.OrderService/GetOrder",
          "rpc.response.status_code": "NOT_FOUND",
          "error.type": "NOT_FOUND",
        },
      ]),
    );
    expect(points("order", "rpc.client.call.duration")).toMatchObject({
      unit: "s",
      type: "histogram",
    });
    for (const [service, name, unit, type] of EXPECTED)
      expect(points(service, name), name).toMatchObject({ unit, type });
    // Dashboard and alert subtract the 50 ms between two samples of the loop.
    expect(points("identity", "nodejs.eventloop.delay.p50")?.points[0]?.value).toBeGreaterThan(
      0.049,
    );
    const started = points("order", "tercet.saga.started")?.points[0];
    expect(started).toMatchObject({ attributes: { "saga.kind": "place-order" } });
    expect(started?.value).toBeGreaterThanOrEqual(4);
  }, WITHIN);
});

const EXPECTED = [
  ["order", "tercet.saga.started", "{saga}", "sum"],
  ["order", "tercet.saga.completed", "{saga}", "sum"],
  ["order", "tercet.saga.compensated", "{saga}", "sum"],
  ["order", "tercet.saga.duration", "s", "histogram"],
  ["order", "tercet.saga.step.duration", "s", "histogram"],
  ["order", "tercet.saga.parked", "{saga}", "gauge"],
  ["order", "tercet.saga.open", "{saga}", "gauge"],
  ["order", "tercet.saga.oldest_open.age", "s", "gauge"],
  ["order", "tercet.saga.unknown_version", "{saga}", "gauge"],
  ["order", "tercet.saga.in_flight", "{saga}", "gauge"],
  ["order", "tercet.saga.takeovers", "{saga}", "sum"],
  ["order", "tercet.saga.unknown_outcomes", "{attempt}", "sum"],
  ["order", "tercet.breaker.state", "", "gauge"],
  ["payment", "tercet.payment.charges", "{payment}", "sum"],
  ["payment", "tercet.payment.refunds", "{refund}", "sum"],
  ["payment", "tercet.payment.provider.duration", "s", "histogram"],
  ["payment", "db.client.operation.duration", "s", "histogram"],
  ["payment", "db.client.connection.count", "{connection}", "gauge"],
  ["identity", "nodejs.eventloop.delay.p99", "s", "gauge"],
  ["identity", "v8js.gc.duration", "s", "histogram"],
  ["identity", "process.memory.usage", "By", "gauge"],
  ["identity", "process.cpu.time", "s", "sum"],
] as const;

test("spans carry nothing of the customer's", () => {
  const texts = otlp.spans.flatMap(({ attributes }: ReceivedSpan) =>
    Object.values(attributes).map(String),
  );
  expect(texts.length).toBeGreaterThan(100);
  expect(texts.filter((text) => /tok_|@example\.com|Bearer|eyJ/.test(text))).toEqual([]);
});

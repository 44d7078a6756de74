import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { startTestLoki, type TestLoki } from "@tercet/service/testing";
import { createApi, logIn, type Stack } from "@tercet/stack";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { PATIENCE } from "./calls.ts";
import { patient } from "./patience.ts";
import { type LogLine, logLines } from "./service-log.ts";
import { startTestStack, type TestFolder, testFolder } from "./stack.ts";

const CORRELATION = "x-correlation-id";

let folder: TestFolder;
let stack: Stack;
let loki: TestLoki;
beforeAll(async () => {
  [folder, loki] = await Promise.all([testFolder(), startTestLoki()]);
  stack = await startTestStack(folder, { LOKI_URL: loki.url, ENVIRONMENT: "rehearsal" });
});
afterAll(async () => {
  await stack?.[Symbol.asyncDispose]();
  await loki?.[Symbol.asyncDispose]();
  await folder?.[Symbol.asyncDispose]();
});

/** Places Alice's order for one mug; resolves to it and the header of the response. */
async function placeOrder(correlationId: string) {
  const { orders } = await logIn(stack.urls.edge, stack.users.alice);
  const given: (string | null)[] = [];
  const order = await orders.createOrder(
    {
      requestId: crypto.randomUUID(),
      items: [{ sku: "MUG-BLUE", quantity: 1 }],
      paymentMethod: { token: "tok_visa" },
    },
    {
      headers: { [CORRELATION]: correlationId },
      onHeader: (headers) => void given.push(headers.get(CORRELATION)),
    },
  );
  return { order, given };
}

const about = (lines: readonly LogLine[], correlationId: string) =>
  lines.filter((line) => line["correlation_id"] === correlationId);
const call = (method: string) => expect.objectContaining({ msg: "call", method });

test("an order's correlation id is given back, and is with the order's id in every line that it causes, in each service", async () => {
  const correlationId = `journey-${crypto.randomUUID()}`;
  const { order, given } = await placeOrder(correlationId);
  expect(given).toEqual([correlationId]);
  const [atOrder, atPayment] = await vi.waitFor(async () => {
    const found = [
      about(await logLines(stack, "order"), correlationId),
      about(await logLines(stack, "payment"), correlationId),
    ] as const;
    expect(found[0]).toContainEqual(call("order.v1.OrderService/CreateOrder"));
    expect(found[1]).toContainEqual(call("payment.v1.PaymentService/ProcessPayment"));
    return found;
  }, PATIENCE);
  expect(atOrder.map(({ msg }) => msg)).toContain("saga moved");
  expect(atPayment.map(({ msg }) => msg)).toContain("payment succeeded");
  const common = { environment: "rehearsal", order_id: order.id };
  expect(atOrder).toEqual(
    atOrder.map(() => expect.objectContaining({ service: "order", ...common })),
  );
  expect(atPayment).toEqual(
    atPayment.map(() => expect.objectContaining({ service: "payment", ...common })),
  );
  // The token for Payment was fetched for the first order.
  const everyLineOfTheOrder = (await logLines(stack, "order")).filter(
    (line) => line["order_id"] === order.id,
  );
  expect(about(everyLineOfTheOrder, correlationId)).toEqual(everyLineOfTheOrder);
});

test("a refusal at the gate, a stream and the calls for tokens have it too", async () => {
  const correlationId = `others-${crypto.randomUUID()}`;
  const headers = { [CORRELATION]: correlationId };
  const api = await logIn(stack.urls.edge, stack.users.alice);
  const { order } = await placeOrder(crypto.randomUUID());
  for await (const _ of api.orders.watchOrder({ orderId: order.id }, { headers }));
  await vi.waitFor(async () => {
    const lines = about(await logLines(stack, "order"), correlationId);
    expect(lines).toEqual([
      expect.objectContaining({ method: "order.v1.OrderService/WatchOrder", order_id: order.id }),
    ]);
  }, PATIENCE);
  const tokens = (await logLines(stack, "identity")).filter(
    ({ msg }) => msg === "service token issued",
  );
  expect(tokens).not.toEqual([]);
  // Some are for Order's own calls, which read the refunds at Payment.
  const lines = [...(await logLines(stack, "order")), ...(await logLines(stack, "payment"))];
  for (const token of tokens) expect(about(lines, String(token["correlation_id"]))).not.toEqual([]);
});

test.each([
  ["too long", "a".repeat(129)],
  ["with a control character", "a\u0001b"],
  ["with an escape sequence", "a\u001b[31mb"],
  ["a piece of JSON", '","level":"error'],
  ["with an escaped line break", "a%0d%0ab\\n"],
])("a correlation id that is %s is replaced, or the call refused", async (_what, hostile) => {
  const answer = await rawCall(hostile);
  expect(answer).toMatch(/^HTTP\/1\.1 (200|400) /);
  if (answer.startsWith("HTTP/1.1 200"))
    expect(answer).toMatch(/^x-correlation-id: [0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\r$/im);
  expect(answer).not.toContain(hostile);
  expect(JSON.stringify(await logLines(stack, "order"))).not.toContain(
    JSON.stringify(hostile).slice(1, -1),
  );
});

/** Makes a call with a header that no client would send; resolves to the whole response. */
async function rawCall(correlationId: string): Promise<string> {
  const { hostname, port, host } = new URL(stack.urls.order);
  const socket = connect(Number(port), hostname);
  const headers = [
    `host: ${host}`,
    "content-type: application/json",
    "content-length: 2",
    "connection: close",
    `${CORRELATION}: ${correlationId}`,
  ];
  socket.write(
    `POST /order.v1.CatalogService/ListProducts HTTP/1.1\r\n${headers.join("\r\n")}\r\n\r\n{}`,
  );
  return await text(socket);
}

describe("Loki", () => {
  const taken = (service: string) =>
    loki.entries.filter(({ labels }) => labels["service"] === service);

  test("has the lines of stdout, under service, environment and level, to the last line of a stopped process", async () => {
    await stack.services.payment.stop();
    const logged = await logLines(stack, "payment");
    expect(logged.at(-1)).toMatchObject({ msg: "stopped" });
    expect(taken("payment").map(({ line }) => JSON.parse(line))).toEqual(logged);
    for (const { labels, line } of taken("payment"))
      expect(labels).toEqual({
        service: "payment",
        environment: "rehearsal",
        level: JSON.parse(line).level,
      });
    await stack.services.payment.start();
    await stack.services.payment.ready();
  });

  test("does no harm when it is down or silent: calls and shutdown are as fast as without it", async () => {
    await using silent = await startTestLoki("silent");
    await using gone = await startTestLoki();
    await gone[Symbol.asyncDispose]();
    const urls = { without: "", silent: silent.url, away: gone.url };
    const replicas = await Promise.all(
      Object.entries(urls).map(async ([name, url]) => ({
        name,
        process: await stack.startReplica("order", { LOKI_URL: url }),
      })),
    );
    const times = new Map(replicas.map(({ name }) => [name, [] as number[]]));
    const listTimed = async ({ name, process }: (typeof replicas)[number]) => {
      const began = performance.now();
      await createApi(process.url).catalog.listProducts({});
      times.get(name)?.push(performance.now() - began);
    };
    // In turns, so that the machine's other load affects all of them.
    for (let round = 0; round < 300; round++)
      for (const replica of replicas) await listTimed(replica);
    expect(silent.pushes.length).toBeGreaterThan(0);
    const p99 = (name: string) => (times.get(name) ?? []).sort((a, b) => a - b)[296] ?? Number.NaN;
    const ends = await Promise.all(
      replicas.map(async ({ name, process }) => {
        const began = performance.now();
        expect(await process.stop()).toBe("exit code 0");
        return [name, performance.now() - began] as const;
      }),
    );
    const end = Object.fromEntries(ends);
    process.stdout.write(
      `${JSON.stringify({ p99: { without: p99("without"), silent: p99("silent"), away: p99("away") }, end })}\n`,
    );
    for (const name of ["silent", "away"]) {
      expect(p99(name)).toBeLessThan(2 * p99("without") + patient(20));
      expect(end[name]).toBeLessThan((end["without"] ?? 0) + patient(2_500));
    }
  });
});

import { Agent } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { createClient, type Interceptor } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { isPassing, startTcpProxy, type TcpProxy } from "@tercet/chaos";
import { OrderService } from "@tercet/gen/order/v1/order_service";
import { createApi, type ServiceProcess, type Stack } from "@tercet/stack";
import { afterAll, beforeAll, expect, test } from "vitest";
import { persistently } from "./calls.ts";
import { expectInvariants } from "./expect-invariants.ts";
import { patient } from "./patience.ts";
import { startTestStack, type TestFolder, testFolder } from "./stack.ts";

const ROUNDS = 2;
const BETWEEN_CALLS_MS = 50;
/** Less than a drain may take. */
const CALL = { timeoutMs: patient(4_000) };
/** One order in five is still in progress when its replica is killed. */
const SLOW_ONE_IN = 5;

let folder: TestFolder;
let stack: Stack;
let token: string;
let order: Balanced;
let payment: Balanced;
const acknowledged = new Map<string, string>();

/** Replicas behind a load balancer. */
interface Balanced {
  readonly name: "order" | "payment";
  readonly proxy: TcpProxy;
  readonly replicas: ServiceProcess[];
}

beforeAll(async () => {
  folder = await testFolder();
  order = { name: "order", proxy: await startTcpProxy(), replicas: [] };
  payment = { name: "payment", proxy: await startTcpProxy(), replicas: [] };
  stack = await startTestStack(
    folder,
    { SAGA_LEASE_MS: "1000" },
    { PAYMENT_URL: payment.proxy.url },
  );
  ({ accessToken: token } = await createApi(stack.urls.edge).identity.login(stack.users.alice));
  for (const { name, proxy, replicas } of [order, payment]) {
    replicas.push(await stack.startReplica(name), await stack.startReplica(name));
    proxy.to(...replicas.map(({ url }) => url));
    await stack.services[name].stop();
  }
});
afterAll(async () => {
  await stack?.[Symbol.asyncDispose]();
  await Promise.all([order, payment].map((balanced) => balanced?.proxy[Symbol.asyncDispose]()));
  await folder?.[Symbol.asyncDispose]();
});

/** Kills a replica and, once it is dead, replaces it. */
async function lose({ name, proxy, replicas }: Balanced): Promise<void> {
  const oldest = replicas.shift();
  oldest?.kill();
  expect(await oldest?.exited).toBe("SIGKILL");
  replicas.push(await stack.startReplica(name));
  proxy.to(...replicas.map(({ url }) => url));
}

/** A client with a new connection for every call, so that the balancer places each. */
function customer() {
  const authorize: Interceptor = (next) => (request) => {
    request.header.set("authorization", `Bearer ${token}`);
    return next(request);
  };
  const nodeOptions = { agent: new Agent({ keepAlive: false }) };
  return createClient(
    OrderService,
    createConnectTransport({
      baseUrl: order.proxy.url,
      httpVersion: "1.1",
      nodeOptions,
      interceptors: [authorize],
    }),
  );
}

/**
 * Places orders at a constant rate while `work` lasts; resolves to the outcome of each, and to the
 * largest number in progress at once.
 */
async function underLoad(
  work: () => Promise<void>,
): Promise<{ outcomes: string[]; atOnce: number }> {
  const orders = customer();
  let [underWay, atOnce] = [0, 0];
  let over = false;
  const place = async (n: number) => {
    const request = {
      requestId: crypto.randomUUID() as string,
      items: [{ sku: "FILTERS-100", quantity: 1 }],
      paymentMethod: { token: n % SLOW_ONE_IN === 0 ? "tok_slow" : "tok_visa" },
    };
    atOnce = Math.max(atOnce, ++underWay);
    const how = await orders.createOrder(request, CALL).then(
      () => "ok",
      (error) => (isPassing(error) ? "try again" : String(error)),
    );
    underWay--;
    const { id } = await persistently(() => orders.createOrder(request, CALL), isPassing);
    acknowledged.set(request.requestId, id);
    return how;
  };
  const working = work().finally(() => {
    over = true;
  });
  const placed: Promise<string>[] = [];
  for (let n = 0; !over; n++) {
    placed.push(place(n));
    await sleep(BETWEEN_CALLS_MS);
  }
  await working;
  return { outcomes: await Promise.all(placed), atOnce };
}

test("replicas are killed: only calls in progress fail, and can be retried", async () => {
  const { outcomes, atOnce } = await underLoad(async () => {
    for (let round = 0; round < ROUNDS; round++)
      for (const balanced of [order, payment]) await lose(balanced);
  });
  const failed = outcomes.filter((how) => how !== "ok");
  expect(failed.filter((how) => how !== "try again")).toEqual([]);
  expect(failed.length).toBeGreaterThan(0);
  expect(failed.length).toBeLessThanOrEqual(ROUNDS * atOnce);
  await expectInvariants(stack, { acknowledged });
});

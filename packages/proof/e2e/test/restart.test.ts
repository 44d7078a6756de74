import { type Order, OrderStatus } from "@tercet/gen/order/v1/order_service";
import { type Api, createApi, logIn, type Stack, type StackProcess } from "@tercet/stack";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { outcome, PATIENCE, persistently } from "./calls.ts";
import { expectInvariants } from "./expect-invariants.ts";
import { patient } from "./patience.ts";
import { startTestStack, type TestFolder, testFolder } from "./stack.ts";
import { aTeapot, putTeapots } from "./teapots.ts";

const LEASE_MS = 2_000;
const STEP_TIMEOUT_MS = 5_000;
const SETTINGS = {
  SAGA_LEASE_MS: String(LEASE_MS),
  SAGA_STEP_TIMEOUT_MS: String(STEP_TIMEOUT_MS),
};

let folder: TestFolder;
let stack: Stack;
let aliceToken: string;
let alice: Api;

beforeAll(async () => {
  folder = await testFolder();
  stack = await startTestStack(folder, SETTINGS);
});
afterAll(async () => {
  await stack?.[Symbol.asyncDispose]();
  await folder?.[Symbol.asyncDispose]();
});
beforeEach(async () => {
  ({ accessToken: aliceToken } = await createApi(stack.urls.edge).identity.login(
    stack.users.alice,
  ));
  alice = createApi(stack.urls.edge, aliceToken);
});
// After every fault nothing is open and no money is missing.
afterEach(() => expectInvariants(stack));

const IN_FLIGHT = 8;
const STOCK = 6n;

/** More orders for one piece than there are pieces. The provider takes 2 s for each. */
async function slowOrders() {
  const sku = await putTeapots(await logIn(stack.urls.edge, stack.users.olivia), STOCK);
  return Array.from({ length: IN_FLIGHT }, () => aTeapot(sku, "tok_slow"));
}

type Requests = Awaited<ReturnType<typeof slowOrders>>;

/** Waits until all of them are PENDING; resolves to their ids. */
async function pending([request]: Requests): Promise<string[]> {
  const sku = request?.items[0]?.sku;
  return await vi.waitFor(async () => {
    const { orders } = await alice.orders.listOrders({
      status: OrderStatus.PENDING,
      pageSize: 100,
    });
    const ours = orders.filter(({ items }) => items[0]?.sku === sku);
    expect(ours).toHaveLength(IN_FLIGHT);
    return ours.map(({ id }) => id).sort();
  }, PATIENCE);
}

/** Waits until the order is settled, and resolves to it. */
async function settled({ id: orderId }: Pick<Order, "id">): Promise<Order> {
  await persistently(async () => {
    for await (const _ of alice.orders.watchOrder({ orderId }));
  });
  return await alice.orders.getOrder({ orderId });
}

const endings = (orders: readonly Order[]) =>
  orders.map(({ status, failure }) => failure?.reason ?? OrderStatus[status]).sort();
const SOLD_OUT_AFTER_STOCK = [
  ...Array(Number(STOCK)).fill("CONFIRMED"),
  ...Array(IN_FLIGHT - Number(STOCK)).fill("OUT_OF_STOCK"),
];

test.each([
  ["Order", () => stack.services.order, ["Unavailable"]],
  ["Payment", () => stack.services.payment, ["ok"]],
  ["PostgreSQL", () => stack.postgres as StackProcess, ["ok", "Unavailable"]],
] as const)(
  "%s is killed with orders in flight: each of them ends, once",
  async (_name, victim, allowed) => {
    const requests = await slowOrders();
    const calls = requests.map((request) => outcome(alice.orders.createOrder(request)));
    const ids = await pending(requests);
    expect(await victim().kill()).toBe("SIGKILL");
    for (const code of await Promise.all(calls)) expect(allowed).toContain(code);
    await victim().ready();
    const again = await Promise.all(
      requests.map((request) => persistently(() => alice.orders.createOrder(request))),
    );
    expect(again.map(({ id }) => id).sort()).toEqual(ids);
    expect(endings(await Promise.all(again.map(settled)))).toEqual(SOLD_OUT_AFTER_STOCK);
  },
);

test("one of two Order replicas is killed: the other finishes its sagas when the lease expires", async () => {
  const requests = await slowOrders();
  const replica = await stack.startReplica("order");
  const { orders } = createApi(replica.url, aliceToken);
  const calls = requests.map((request) => outcome(orders.createOrder(request)));
  const ids = await pending(requests);
  replica.kill();
  expect(await replica.exited).toBe("SIGKILL");
  const killed = performance.now();
  // connect-node reports a reset as "aborted"; behind the edge it is "unavailable".
  for (const code of await Promise.all(calls)) expect(["Aborted", "Unavailable"]).toContain(code);
  const ended = await Promise.all(ids.map((id) => settled({ id })));
  expect(performance.now() - killed).toBeLessThan(LEASE_MS + patient(1_000) + STEP_TIMEOUT_MS);
  expect(endings(ended)).toEqual(SOLD_OUT_AFTER_STOCK);
  for (const { timeline } of ended) {
    const [first, last] = [timeline.at(0), timeline.at(-1)];
    expect([first?.step, last?.worker === first?.worker]).toEqual(["create", false]);
  }
});

test("a stack that is restarted finds its orders, and finishes those in progress", async () => {
  // Order learns of refunds from a feed, a few seconds later; then nothing changes any more.
  const before = await vi.waitFor(async () => {
    const { orders } = await alice.orders.listOrders({ pageSize: 100 });
    const soldOut = orders.filter(({ failure }) => failure?.reason === "OUT_OF_STOCK");
    expect(soldOut.map(({ refunded }) => refunded)).toEqual(soldOut.map(({ total }) => total));
    return orders;
  }, PATIENCE);
  expect(before).not.toEqual([]);
  const requests = await slowOrders();
  const calls = requests.map((request) =>
    outcome(alice.orders.createOrder(request, { timeoutMs: patient(1_000) })),
  );
  const ids = await pending(requests);
  await stack[Symbol.asyncDispose]();
  for (const code of await Promise.all(calls))
    expect(["ok", "Unavailable", "DeadlineExceeded"]).toContain(code);

  stack = await startTestStack(folder, SETTINGS);
  alice = await logIn(stack.urls.edge, stack.users.alice);
  const again = await Promise.all(requests.map((request) => alice.orders.createOrder(request)));
  expect(again.map(({ id }) => id).sort()).toEqual(ids);
  expect(endings(await Promise.all(again.map(settled)))).toEqual(SOLD_OUT_AFTER_STOCK);
  const { orders: now } = await alice.orders.listOrders({ pageSize: 100 });
  expect(now.slice(IN_FLIGHT)).toEqual(before);
});

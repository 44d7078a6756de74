import { OrderStatus } from "@tercet/gen/order/v1/order_service";
import { type Api, createApi, logIn, type Stack } from "@tercet/stack";
import { afterAll, beforeAll, expect, test } from "vitest";
import { becomes, isLate, persistently } from "./calls.ts";
import { patient } from "./patience.ts";
import { logLines } from "./service-log.ts";
import { startTestStack, type TestFolder, testFolder } from "./stack.ts";
import { aTeapot, putTeapots } from "./teapots.ts";

/** For orders that stay PENDING. */
const SHORT = { timeoutMs: patient(2_500) };
/** More than one worker holds, and than one client has in flight. */
const SILENT = 300;

let folder: TestFolder;
let stack: Stack;
/** A customer whose bank does not respond. */
let alice: Api;
/** Another customer. */
let bob: Api;
let sku: string;

beforeAll(async () => {
  folder = await testFolder();
  stack = await startTestStack(folder, { PROVIDER_TIMEOUT_MS: "1500" });
  alice = await logIn(stack.urls.edge, stack.users.alice);
  const { identity } = createApi(stack.urls.edge);
  const user = { email: "bob@example.com", password: "a password of a customer" };
  await identity.register({ ...user, displayName: "Bob", requestId: crypto.randomUUID() });
  bob = await logIn(stack.urls.edge, user);
  sku = await putTeapots(await logIn(stack.urls.edge, stack.users.olivia), 10_000n);
});
afterAll(async () => {
  await stack?.[Symbol.asyncDispose]();
  await folder?.[Symbol.asyncDispose]();
});

const place = ({ orders }: Api, token = "tok_visa", options = {}) =>
  orders.createOrder(aTeapot(sku, token), options);

/** Places orders one after the other; resolves to the time of the slowest but one. */
async function p99(customer: Api): Promise<number> {
  const times: number[] = [];
  for (let n = 0; n < 100; n++) {
    const started = performance.now();
    expect(OrderStatus[(await place(customer)).status]).toBe("CONFIRMED");
    times.push(performance.now() - started);
  }
  return times.sort((a, b) => a - b).at(-2) ?? 0;
}

const breakerLines = async (): Promise<unknown[]> =>
  (await logLines(stack, "order")).filter(({ event }) =>
    String(event).startsWith("circuit_breaker_"),
  );

test("one customer's orders with a silent bank wait; another customer's do not", async () => {
  await p99(bob);
  const before = await p99(bob);
  // Calls may end at their deadline; the orders are placed all the same.
  await Promise.allSettled(
    Array.from({ length: SILENT }, () => place(alice, "tok_timeout", SHORT)),
  );
  const meanwhile = await p99(bob);
  // Without a share for each it is more than a second. The floor is for a loaded machine.
  expect(meanwhile).toBeLessThan(Math.max(1.5 * before, patient(250)));
  const settled = await alice.orders.listOrders({ status: OrderStatus.CONFIRMED, pageSize: 1 });
  expect(settled.orders).toEqual([]);
  expect(await breakerLines()).toEqual([]);
});

test("refunds that cannot be made fail for their orders alone", async () => {
  for (let n = 0; n < 2; n++) {
    const order = await place(alice, "tok_refund_fails");
    const cancel = { orderId: order.id, requestId: crypto.randomUUID(), reason: "no more" };
    await persistently(() => alice.orders.cancelOrder(cancel, SHORT), isLate);
    await becomes(alice, order, OrderStatus.CANCELLING);
  }
  await p99(bob);
  expect(await breakerLines()).toEqual([]);
});

import { auditMoney } from "@tercet/audit";
import { type Order, OrderStatus } from "@tercet/gen/order/v1/order_service";
import { PaymentStatus } from "@tercet/gen/payment/v1/payment_service";
import { type Api, createApi, logIn, type Stack } from "@tercet/stack";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { becomes, outcome, PATIENCE } from "./calls.ts";
import { expectInvariants, movedFor } from "./expect-invariants.ts";
import { startTestStack, type TestFolder, testFolder } from "./stack.ts";
import { aTeapot, putTeapots } from "./teapots.ts";

const SETTINGS = {
  REFUND_FEED_DELAY_MS: "200",
  REFUND_FEED_INTERVAL_MS: "100",
  PROVIDER_TIMEOUT_MS: "300",
  RECONCILE_AFTER_MS: "1000",
  RECONCILE_INTERVAL_MS: "200",
};
const TOTAL = 1_999n;
const EUR = (minorUnits: bigint) => ({ currencyCode: "EUR", minorUnits });

let folder: TestFolder;
let stack: Stack;
let alice: Api;
let olivia: Api;
let oliviaToken: string;
let sku: string;

beforeAll(async () => {
  folder = await testFolder();
  stack = await startTestStack(folder, SETTINGS);
  alice = await logIn(stack.urls.edge, stack.users.alice);
  ({ accessToken: oliviaToken } = await createApi(stack.urls.edge).identity.login(
    stack.users.olivia,
  ));
  olivia = createApi(stack.urls.edge, oliviaToken);
  sku = await putTeapots(olivia, 100n);
});
afterAll(async () => {
  await stack?.[Symbol.asyncDispose]();
  await folder?.[Symbol.asyncDispose]();
});

const place = () => alice.orders.createOrder(aTeapot(sku));
const refund = ({ paymentId }: Order, minorUnits: bigint, url = stack.urls.payment) =>
  createApi(url, oliviaToken).payments.refundPayment({
    paymentId,
    refundId: crypto.randomUUID(),
    amount: EUR(minorUnits),
    reason: "the lid is broken",
  });
const cancel = ({ id: orderId }: Order) =>
  alice.orders.cancelOrder({ orderId, requestId: crypto.randomUUID() });
const shows = ({ id: orderId }: Order, minorUnits: bigint) =>
  vi.waitFor(async () => {
    const order = await alice.orders.getOrder({ orderId });
    expect(order.refunded).toMatchObject(EUR(minorUnits));
    return order;
  }, PATIENCE);
/** What the provider refunded of the order's payment. */
const givenBack = async ({ paymentId }: Order) =>
  (await movedFor(stack, paymentId)).refunds.reduce((sum, { minorUnits }) => sum + minorUnits, 0n);
const isSound = async () => {
  const { broken, overdue } = await auditMoney(stack, { openForMs: 60_000 });
  expect([broken, overdue]).toEqual([[], []]);
};

test("a partial refund by an operator is shown on the order, and the audit holds; cancelling refunds the rest", async () => {
  const order = await place();
  expect(await refund(order, 500n)).toMatchObject({ status: PaymentStatus.PARTIALLY_REFUNDED });
  await isSound();
  await shows(order, 500n);
  await refund(order, 1n);
  expect(await shows(order, 501n)).toMatchObject({ status: OrderStatus.CONFIRMED });
  await isSound();
  expect(await cancel(order)).toMatchObject({
    status: OrderStatus.CANCELLED,
    refunded: EUR(TOTAL),
  });
  expect((await movedFor(stack, order.paymentId)).refunds).toEqual([
    EUR(500n),
    EUR(1n),
    EUR(TOTAL - 501n),
  ]);
  await isSound();
});

test("an order that an operator refunded in full stays CONFIRMED, and its cancellation refunds nothing more", async () => {
  const order = await place();
  await refund(order, TOTAL);
  expect(await shows(order, TOTAL)).toMatchObject({ status: OrderStatus.CONFIRMED });
  await isSound();
  expect(await cancel(order)).toMatchObject({ status: OrderStatus.CANCELLED });
  expect(await givenBack(order)).toBe(TOTAL);
});

test("refunds by operators while the customer cancels: all is given back, and never more", async () => {
  await Promise.all(
    Array.from({ length: 5 }, async () => {
      const order = await place();
      const refunds = Array.from({ length: 4 }, () => outcome(refund(order, 700n)));
      await Promise.all([cancel(order), ...refunds]);
      await becomes(alice, order, OrderStatus.CANCELLED);
      expect(await givenBack(order)).toBe(TOTAL);
    }),
  );
  await isSound();
});

test("a refund that is made while Order is dead is shown once it is back", async () => {
  const order = await place();
  await stack.services.order.stop();
  await refund(order, 300n);
  await stack.services.order.start();
  await shows(order, 300n);
});

test("a refund whose Payment dies before it is recorded is shown too", async () => {
  const order = await place();
  const env = { NODE_ENV: "test", FAILPOINTS: "before:store.settleRefund=kill" };
  const victim = await stack.startReplica("payment", env);
  await outcome(refund(order, 400n, victim.url));
  expect(await victim.exited).toBe("SIGKILL");
  await shows(order, 400n);
  expect(await givenBack(order)).toBe(400n);
});

test("a second stack on the same order database is refused, in one sentence", async () => {
  await using other = await testFolder();
  const env = { ORDER_DATABASE_URL: stack.databaseUrls.order };
  const refusal = startTestStack(other, env).then(
    async (second) => {
      await second[Symbol.asyncDispose]();
      return "started";
    },
    (error: Error) => error.message,
  );
  expect(await refusal).toMatch(
    /order did not start.+the database belongs to the system "stack-\w+", and this service to "stack-\w+"/s,
  );
  await place();
});

test("afterwards the invariants hold", async () => {
  await expectInvariants(stack);
  await isSound();
});

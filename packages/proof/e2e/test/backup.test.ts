import { rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { auditMoney, readSnapshot, unfinished } from "@tercet/audit";
import type { Order } from "@tercet/gen/order/v1/order_service";
import { PaymentStatus } from "@tercet/gen/payment/v1/payment_service";
import { latestBackup } from "@tercet/service";
import {
  ANY_PORT,
  backUp,
  backupFiles,
  createApi,
  envToConfig,
  logIn,
  restore,
  type Stack,
} from "@tercet/stack";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { PATIENCE } from "./calls.ts";
import { moves } from "./expect-invariants.ts";
import { readSecrets } from "./forged-token.ts";
import { startTestStack, type TestFolder, testFolder } from "./stack.ts";
import { aTeapot, putTeapots } from "./teapots.ts";

const OPEN_FOR = { openForMs: 60_000 };

let folder: TestFolder;
/** Of Payment first, of Order 5 orders later, of Payment again 5 orders later. */
let early: string;
let late: string;
/** As the customers received them. */
let placed: readonly Order[];

/** Backs up under load: the databases are of different moments. */
beforeAll(async () => {
  folder = await testFolder();
  early = join(folder.path, "early");
  late = join(folder.path, "late");
  await using stack = await startTestStack(folder);
  const sku = await putTeapots(await logIn(stack.urls.edge, stack.users.olivia), 1_000_000n);
  const { orders } = await logIn(stack.urls.edge, stack.users.alice);
  const all: Order[] = [];
  let over = false;
  const shop = async () => {
    while (!over)
      all.push(await orders.createOrder(aTeapot(sku, "tok_slow"), { timeoutMs: 10_000 }));
  };
  const shopping = Promise.all([shop(), shop(), shop(), shop()]);
  const more = async (count: number) => {
    const enough = all.length + count;
    await vi.waitFor(() => expect(all.length).toBeGreaterThanOrEqual(enough), PATIENCE);
  };
  await more(5);
  await backUp(stack, { folder: early, keep: 1, services: ["payment"] });
  await more(5);
  await backUp(stack, { folder: late, keep: 1, services: ["identity", "order"] });
  await more(5);
  await backUp(stack, { folder: late, keep: 1, services: ["payment"] });
  over = true;
  await shopping;
  placed = all;
});
afterAll(() => folder?.[Symbol.asyncDispose]());

/** Loses the databases, but neither the secrets nor the provider's book; restores into new ones. */
async function restored(payment: string): Promise<Stack> {
  await rm(join(folder.path, "lost"), { recursive: true, force: true });
  await rename(join(folder.path, "postgres"), join(folder.path, "lost"));
  const config = envToConfig({ ...ANY_PORT, DATA_DIR: folder.path });
  const files = await backupFiles(late, []);
  await restore(config, { ...files, payment: (await latestBackup(payment, "payment")) ?? "" });
  const stack = await startTestStack(folder);
  await vi.waitFor(async () => expect(unfinished(await readSnapshot(stack))).toEqual([]), PATIENCE);
  return stack;
}

/** The ids in the sentences of an invariant that the audit reports. */
async function reported(stack: Stack, sentence: RegExp): Promise<string[]> {
  const { broken } = await auditMoney(stack, OPEN_FOR);
  return broken.flatMap((text) => sentence.exec(text)?.[1] ?? []).sort();
}

test("Order is older than Payment: what was charged for its lost orders goes back", async () => {
  await using stack = await restored(late);
  const kept = new Set((await readSnapshot(stack)).orders.map(({ id }) => id));
  const lost = placed.filter(({ id }) => !kept.has(id));
  expect(kept.size).toBeGreaterThanOrEqual(10);
  expect(lost.length).toBeGreaterThanOrEqual(5);
  const stray = /^I5: the charge (\S+) .* belongs to no order/;
  expect(await reported(stack, stray)).toEqual(lost.map(({ paymentId }) => paymentId).sort());

  const { payments } = await logIn(stack.urls.edge, stack.users.olivia);
  const reason = "order lost in a restore";
  for (const { paymentId } of lost)
    await payments.refundPayment({ paymentId, refundId: crypto.randomUUID(), reason });
  for (const order of lost) expect(await moves(stack, order)).toEqual([1, 1]);
  expect(await auditMoney(stack, OPEN_FOR)).toMatchObject({ broken: [], overdue: [] });
});

test("Payment is older than Order: it gets its payments again, and charges nothing", async () => {
  await using stack = await restored(early);
  const { orders } = await readSnapshot(stack);
  const missing = new Set(await reported(stack, /order (\S+).*its payment is missing/));
  // Some of those between the two backups were still open, and are then charged again.
  expect(missing.size).toBeGreaterThan(0);

  const { orderClientSecret: clientSecret } = await readSecrets(stack);
  const service = { clientId: "order", clientSecret, audience: "payment" };
  const { accessToken } = await createApi(stack.urls.identity).identity.issueServiceToken(service);
  const { payments } = createApi(stack.urls.payment, accessToken);
  for (const order of orders.filter(({ id }) => missing.has(id))) {
    const { id: orderId, paymentId, customerId, currencyCode, minorUnits } = order;
    const payment = await payments.processPayment({
      ...{ paymentId, orderId, customerId, amount: { currencyCode, minorUnits } },
      // The provider has charged it before, and looks at no token.
      paymentMethod: { token: "tok_visa" },
    });
    expect(payment.status).toBe(PaymentStatus.SUCCEEDED);
  }
  for (const order of orders) {
    // An order that was open at that moment is cancelled if its deadline has passed since.
    const [charges, refunds] = await moves(stack, order);
    expect([charges, charges - refunds]).toEqual([1, order.status === "CONFIRMED" ? 1 : 0]);
  }
  expect(await reported(stack, /(its payment is missing)/)).toEqual([]);
});

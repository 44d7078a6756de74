import { join } from "node:path";
import { MongoSet, runStorm, startTcpProxy } from "@tercet/chaos";
import { OrderStatus } from "@tercet/gen/order/v1/order_service";
import { connectPaymentStore, type PaymentStore } from "@tercet/payment";
import { logIn } from "@tercet/stack";
import { MongoClient } from "mongodb";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { becomes, outcome, PATIENCE, persistently } from "./calls.ts";
import { expectInvariants, moves } from "./expect-invariants.ts";
import { patient } from "./patience.ts";
import { startTestStack, type TestFolder, testFolder } from "./stack.ts";
import { aTeapot, putTeapots } from "./teapots.ts";

const program = process.env["MONGOMS_SYSTEM_BINARY"];
if (program === undefined)
  process.stderr.write("WITHOUT MONGODB: no replica set of it is killed, frozen or stepped down\n");

let folder: TestFolder;
let set: MongoSet;
beforeAll(async () => {
  if (program === undefined) return;
  folder = await testFolder();
  set = await MongoSet.start({ folder: folder.path, program });
});
afterAll(async () => {
  await set?.[Symbol.asyncDispose]();
  await folder?.[Symbol.asyncDispose]();
});

const aCharge = () => ({
  orderId: crypto.randomUUID(),
  customerId: crypto.randomUUID(),
  amount: { currencyCode: "EUR", minorUnits: 1_999n },
  fingerprint: "f",
});
type Outcome = { readonly payment: { readonly status: string } };

describe.skipIf(program === undefined)("with payments in a replica set of MongoDB", () => {
  /**
   * Lets one call write on a primary that has lost the other members, makes a second call there,
   * and fails over. Resolves to what the second call reported; the first must not report anything.
   */
  async function repeatedOnLostPrimary<T>(
    first: (store: PaymentStore) => Promise<unknown>,
    isThere: (payments: MongoClient) => Promise<boolean>,
    second: (store: PaymentStore) => Promise<T>,
  ): Promise<PromiseSettledResult<T>> {
    const primary = await set.primary();
    const others = set.members.filter((member) => member !== primary);
    await using store = await connectPaymentStore(set.url("lost"));
    await using alone = new MongoClient(
      `mongodb://127.0.0.1:${primary.port}/lost?directConnection=true`,
    );
    await alone.connect();
    await store.get(crypto.randomUUID());
    await set.checkpoint();
    await Promise.all(others.map((member) => member.kill()));
    const written = first(store);
    written.catch(() => {});
    await vi.waitUntil(() => isThere(alone), { timeout: patient(3_000), interval: 5 });
    const [reported] = await Promise.allSettled([second(store)]);
    await expect(written).rejects.toMatchObject({ reason: "UNAVAILABLE" });
    await primary.kill();
    for (const member of others) member.start();
    await set.primary();
    primary.start();
    await set.whole();
    return reported;
  }

  test("a tombstone that a failover takes back was never reported, so a charge may follow", async () => {
    const id = crypto.randomUUID();
    const isThere = async (client: MongoClient) =>
      (await client
        .db()
        .collection("payments")
        .countDocuments({ _id: id as never })) === 1;
    const again = await repeatedOnLostPrimary(
      (store) => store.void(id, "cancelled"),
      isThere,
      // As a refund does, which reports that no money is held.
      async (store) => (await store.get(id)) ?? (await store.void(id, "cancelled")).payment,
    );
    expect(again).toMatchObject({ status: "rejected", reason: { reason: "UNAVAILABLE" } });
    await using store = await connectPaymentStore(set.url("lost"));
    expect(await store.open(id, aCharge())).toMatchObject({ changed: true });
  });

  test("an outcome that a failover takes back was never reported, nor read", async () => {
    const id = crypto.randomUUID();
    await using before = await connectPaymentStore(set.url("lost"));
    await before.open(id, aCharge());
    const approved = { outcome: "approved", reference: "ch_1" } as const;
    const isThere = async (client: MongoClient) =>
      (await client
        .db()
        .collection("payments")
        .countDocuments({ _id: id as never, status: "SUCCEEDED" })) === 1;
    const read: (string | undefined)[] = [];
    const again = await repeatedOnLostPrimary<Outcome>(
      (store) => store.settle(id, approved),
      isThere,
      async (store) => {
        read.push((await store.get(id))?.status);
        return await store.settle(id, approved);
      },
    );
    expect(read).toEqual(["PENDING"]);
    expect(again).toMatchObject({ status: "rejected", reason: { reason: "UNAVAILABLE" } });
    await using store = await connectPaymentStore(set.url("lost"));
    expect(await store.get(id)).toMatchObject({ status: "PENDING" });
    expect(await store.settle(id, approved)).toMatchObject({ changed: true });
  });

  test("Payment is killed around its writes, and the primary with it: each order ends as it should", async () => {
    await using data = await testFolder();
    await using proxy = await startTcpProxy();
    const env = {
      SAGA_LEASE_MS: "1000",
      PROVIDER_TIMEOUT_MS: "300",
      RECONCILE_AFTER_MS: "1000",
      RECONCILE_INTERVAL_MS: "200",
      PAYMENT_DATABASE_URL: set.url("payments"),
    };
    await using stack = await startTestStack(data, env, { PAYMENT_URL: proxy.url });
    const alice = await logIn(stack.urls.edge, stack.users.alice);
    const olivia = await logIn(stack.urls.edge, stack.users.olivia);
    const steer = (url: string) => {
      proxy.to(url);
      proxy.reset();
    };
    const { CONFIRMED, CANCELLED } = OrderStatus;
    const acknowledged = new Map<string, string>();
    for (const [failpoint, ending] of [
      ["after:store.open", CONFIRMED],
      ["before:store.settle", CONFIRMED],
      ["after:store.settle", CONFIRMED],
      ["after:store.reserveRefund", CANCELLED],
      ["before:store.settleRefund", CANCELLED],
    ] as const) {
      const sku = await putTeapots(olivia, ending === CONFIRMED ? 1n : 0n);
      const victim = await stack.startReplica("payment", {
        NODE_ENV: "test",
        FAILPOINTS: `${failpoint}=kill`,
        RECONCILE_AFTER_MS: "3600000",
        ABANDON_AFTER_MS: "3600000",
      });
      steer(victim.url);
      const request = aTeapot(sku);
      const placing = outcome(alice.orders.createOrder(request, { timeoutMs: 10_000 }));
      expect(await victim.exited, failpoint).toBe("SIGKILL");
      const primary = await set.primary();
      await primary.kill();
      primary.start();
      steer(stack.urls.payment);
      await placing;
      const order = await persistently(() => alice.orders.createOrder(request));
      acknowledged.set(request.requestId, order.id);
      await becomes(alice, order, ending);
      await vi.waitFor(
        async () =>
          expect(await moves(stack, order), failpoint).toEqual(
            ending === CONFIRMED ? [1, 0] : [1, 1],
          ),
        PATIENCE,
      );
    }
    expect(await expectInvariants(stack, { acknowledged })).toEqual({ CONFIRMED: 3, CANCELLED: 2 });
  });
});

test.skipIf(program === undefined)(
  "a storm that also kills, freezes and steps down members of MongoDB breaches no invariant",
  async () => {
    await using data = await testFolder();
    const { breaches, acknowledged, faults, settledMs } = await runStorm({
      dataDir: join(data.path, "storm"),
      durationMs: 12_000,
      seed: 1 + Math.floor(Math.random() * 999_999),
      buyers: 8,
      mongod: program,
      callGraceMs: patient(250),
      signal: new AbortController().signal,
      onProgress: () => {},
    });
    expect(breaches).toEqual([]);
    expect(settledMs).toBeLessThan(patient(30_000));
    expect(acknowledged).toBeGreaterThan(5);
    expect(faults.filter(({ kind }) => kind.startsWith("MongoDB")).length).toBeGreaterThan(0);
  },
);

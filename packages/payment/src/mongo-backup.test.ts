import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { atDatabase, checkBackup, writeBackup } from "@tercet/service";
import { MongoClient } from "mongodb";
import { afterAll, describe, expect, test } from "vitest";
import { exportPaymentStore, importPaymentStore } from "./connect-store.ts";
import { findMongo, findMongoSet } from "./mongo.testing.ts";
import { openMongoStore } from "./mongo-store.ts";

const servers = { "a single server": await findMongo(), "a replica set": await findMongoSet() };
const aCharge = (minorUnits: bigint) => ({
  orderId: crypto.randomUUID(),
  customerId: crypto.randomUUID(),
  amount: { currencyCode: "EUR", minorUnits },
  fingerprint: "f",
});
/** One that a double holds, and one that it does not. */
const AMOUNTS = [1_999n, 9_007_199_254_740_993n];

describe.each(Object.entries(servers))("a backup of MongoDB, %s", (_, server) => {
  if (server === undefined) {
    process.stderr.write("WITHOUT MONGODB: no backup of it is restored\n");
    test.skip("needs MONGODB_URL or mongod", () => {});
    return;
  }
  const newUrl = () => atDatabase(server.url, `test_${crypto.randomUUID().replaceAll("-", "")}`);
  const [url, other] = [newUrl(), newUrl()];
  afterAll(async () => {
    for (const each of [url, other]) {
      await using client = new MongoClient(each);
      await client.db().dropDatabase();
    }
    await server.stop();
  });
  const longs = async (at: string) => {
    await using client = new MongoClient(at);
    return await client
      .db()
      .collection("payments")
      .countDocuments({ minorUnits: { $type: "long" } });
  };

  test("comes back with every value as it was; a database with documents is refused", async () => {
    const folder = await mkdtemp(join(tmpdir(), "tercet-backup-"));
    try {
      await using before = await openMongoStore(url, { systemId: "mine" });
      const ids = Array.from({ length: 501 }, () => crypto.randomUUID());
      for (const [n, id] of ids.entries()) await before.open(id, aCharge(AMOUNTS[n % 2] ?? 1n));
      const { path } = await writeBackup(folder, "payment", 1, exportPaymentStore(url));
      expect((await checkBackup(path, "payment")).rows).toBe(502);
      await importPaymentStore(other, path);
      await using after = await openMongoStore(other, { systemId: "mine" });
      for (const id of ids) expect(await after.get(id)).toEqual(await before.get(id));
      expect(await longs(url)).toBe(501);
      expect(await longs(other)).toBe(501);
      expect(
        (await after.settle(ids[0] ?? "", { outcome: "approved", reference: "c" })).changed,
      ).toBe(true);
      await expect(importPaymentStore(other, path)).rejects.toThrow("has documents");
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  // A single server has no snapshots.
  if (server === servers["a replica set"])
    test("is of the moment when it begins", async () => {
      const at = newUrl();
      await using store = await openMongoStore(at);
      const open = async (count: number) => {
        for (let n = 0; n < count; n++) await store.open(crypto.randomUUID(), aCharge(1n));
      };
      await open(300);
      let rows = 0;
      for await (const _row of exportPaymentStore(at)) {
        // Between the first batch and the others.
        if (rows === 0) await open(50);
        rows++;
      }
      expect(rows).toBe(300);
    });
});

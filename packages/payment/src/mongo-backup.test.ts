import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { atDatabase, checkBackup, writeBackup } from "@tercet/service";
import { MongoClient } from "mongodb";
import { afterAll, describe, expect, test } from "vitest";
import { exportPaymentStore, importPaymentStore } from "./connect-store.ts";
import { findMongo } from "./mongo.testing.ts";
import { openMongoStore } from "./mongo-store.ts";

const server = await findMongo();
if (server === undefined) {
  process.stderr.write("WITHOUT MONGODB: no backup of it is restored\n");
  describe("a backup of MongoDB", () => test.skip("needs MONGODB_URL or mongod", () => {}));
} else {
  describe("a backup of MongoDB", () => {
    const newUrl = () => atDatabase(server.url, `test_${crypto.randomUUID().replaceAll("-", "")}`);
    const [url, other] = [newUrl(), newUrl()];
    afterAll(async () => {
      for (const each of [url, other]) {
        await using client = new MongoClient(each);
        await client.db().dropDatabase();
      }
      await server.stop();
    });

    test("comes back with every value as it was; a database with documents is refused", async () => {
      const folder = await mkdtemp(join(tmpdir(), "tercet-backup-"));
      try {
        await using before = await openMongoStore(url, { systemId: "mine" });
        const ids = Array.from({ length: 501 }, () => crypto.randomUUID());
        for (const orderId of ids)
          await before.open(orderId, {
            orderId,
            customerId: crypto.randomUUID(),
            // More than a double holds exactly.
            amount: { currencyCode: "EUR", minorUnits: 9_007_199_254_740_993n },
            fingerprint: "f",
          });
        const { path } = await writeBackup(folder, "payment", 1, exportPaymentStore(url));
        expect((await checkBackup(path, "payment")).rows).toBe(502);
        await importPaymentStore(other, path);
        await using after = await openMongoStore(other, { systemId: "mine" });
        for (const id of ids) expect(await after.get(id)).toEqual(await before.get(id));
        expect(
          (await after.settle(ids[0] ?? "", { outcome: "approved", reference: "c" })).changed,
        ).toBe(true);
        await expect(importPaymentStore(other, path)).rejects.toThrow("has documents");
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    });
  });
}

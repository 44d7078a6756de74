import { MongoClient } from "mongodb";
import { afterAll, describe, expect, test } from "vitest";
import { migratePaymentStore } from "./connect-store.ts";
import { findMongo } from "./mongo.testing.ts";
import { MongoPaymentStore } from "./mongo-store.ts";
import { atomicityContract, functionalContract } from "./store.contract.ts";

const server = await findMongo();
if (server === undefined) {
  // Reporters leave skipped names out; the reason must be seen.
  process.stderr.write("WITHOUT MONGODB: MongoPaymentStore is not tested\n");
  describe("MongoPaymentStore", () => test.skip("needs MONGODB_URL or mongod", () => {}));
} else {
  describe("MongoPaymentStore", () => {
    const url = new URL(server.url);
    url.pathname = `/test_${crypto.randomUUID().replaceAll("-", "")}`;
    afterAll(async () => {
      await using client = new MongoClient(url.href);
      await client.db().dropDatabase();
      await server.stop();
    });
    const open = async () => MongoPaymentStore.connect(url.href);
    functionalContract(open);
    test("where a job makes the indexes, a database without them is refused until they are there", async () => {
      const fresh = new URL(server.url);
      fresh.pathname = `/test_${crypto.randomUUID().replaceAll("-", "")}`;
      const unprepared = MongoPaymentStore.connect(fresh.href, { migrate: false });
      await expect(unprepared).rejects.toThrow(
        'it lacks the index {"createTime":-1,"_id":-1}, the index {"orderId":1}',
      );
      await migratePaymentStore(fresh.href);
      await using store = await MongoPaymentStore.connect(fresh.href, { migrate: false });
      await store.ping();
      await using client = new MongoClient(fresh.href);
      await client.db().dropDatabase();
    });
    atomicityContract(open);
  });
}

import { atDatabase } from "@tercet/service";
import { MongoClient } from "mongodb";
import { afterAll, describe, expect, test } from "vitest";
import { migratePaymentStore } from "./connect-store.ts";
import { findMongo } from "./mongo.testing.ts";
import { openMongoStore } from "./mongo-store.ts";
import { atomicityContract, functionalContract, ownershipContract } from "./store.contract.ts";

const server = await findMongo();
if (server === undefined) {
  // Reporters leave skipped names out; the reason must be seen.
  process.stderr.write("WITHOUT MONGODB: the MongoDB store is not tested\n");
  describe("the MongoDB store", () => test.skip("needs MONGODB_URL or mongod", () => {}));
} else {
  describe("the MongoDB store", () => {
    const newDatabase = () =>
      atDatabase(server.url, `test_${crypto.randomUUID().replaceAll("-", "")}`);
    const url = newDatabase();
    afterAll(async () => {
      await using client = new MongoClient(url);
      await client.db().dropDatabase();
      await server.stop();
    });
    const open = async () => openMongoStore(url);
    functionalContract(open);
    ownershipContract((systemId) =>
      openMongoStore(url, systemId === undefined ? {} : { systemId }),
    );
    test("without migrateAtStart, a database without indexes is refused until a job creates them", async () => {
      const fresh = newDatabase();
      const unprepared = openMongoStore(fresh, { migrateAtStart: false });
      await expect(unprepared).rejects.toThrow(
        'it lacks the index {"createTime":-1,"_id":-1}, the index {"orderId":1}',
      );
      await migratePaymentStore(fresh);
      await using store = await openMongoStore(fresh, { migrateAtStart: false });
      await store.ping(AbortSignal.timeout(1_000));
      await using client = new MongoClient(fresh);
      await client.db().dropDatabase();
    });
    atomicityContract(open);
  });
}

import { MongoClient } from "mongodb";
import { afterAll, describe, test } from "vitest";
import { findMongo } from "./mongo.testing.ts";
import { MongoPaymentStore } from "./mongo-store.ts";
import { atomicityContract, functionalContract } from "./store.contract.ts";

const server = await findMongo();
if ("missing" in server) {
  // Reporters leave skipped names out; the reason must be seen.
  process.stderr.write(`MongoPaymentStore: skipped: ${server.missing}\n`);
  describe("MongoPaymentStore", () => test.skip(`skipped: ${server.missing}`, () => {}));
} else {
  describe(`MongoPaymentStore on ${server.version}`, () => {
    const url = new URL(server.url);
    url.pathname = `/test_${crypto.randomUUID().replaceAll("-", "")}`;
    afterAll(async () => {
      await using client = new MongoClient(url.href);
      await client.db().dropDatabase();
      await server.stop();
    });
    const open = async () => MongoPaymentStore.connect(url.href);
    functionalContract(open);
    if (server.atomic) atomicityContract(open);
    else test.skip(`many at once: skipped: ${server.version} does not update documents atomically; this needs a real MongoDB`, () => {});
  });
}

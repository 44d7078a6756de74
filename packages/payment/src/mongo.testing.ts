import { readEnv } from "@tercet/service";

export interface MongoServer {
  readonly url: string;
  readonly stop: () => Promise<unknown>;
}

/**
 * The server that MONGODB_URL names, else a new one of the program that MONGOMS_SYSTEM_BINARY names
 * (the tests' global setup downloads it). Undefined without either.
 */
export async function findMongo(): Promise<MongoServer | undefined> {
  const { MONGODB_URL: url, MONGOMS_SYSTEM_BINARY: program } = readEnv();
  if (url !== undefined) return { url, stop: async () => {} };
  if (program === undefined) return undefined;
  const { MongoMemoryServer } = await import("mongodb-memory-server");
  const server = await MongoMemoryServer.create({
    instance: { storageEngine: "wiredTiger", launchTimeout: 60_000 },
  });
  return { url: server.getUri(), stop: () => server.stop() };
}

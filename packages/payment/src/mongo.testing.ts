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
  const { MONGODB_URL: url } = readEnv();
  if (url !== undefined) return { url, stop: async () => {} };
  return await startMongo(async ({ MongoMemoryServer }, instance) =>
    MongoMemoryServer.create({ instance }),
  );
}

/** A new replica set with one member. Undefined without MONGOMS_SYSTEM_BINARY. */
export const findMongoSet = (): Promise<MongoServer | undefined> =>
  startMongo(async ({ MongoMemoryReplSet }, instance) =>
    MongoMemoryReplSet.create({ instanceOpts: [instance], replSet: { count: 1 } }),
  );

const INSTANCE = { storageEngine: "wiredTiger", launchTimeout: 60_000 } as const;

async function startMongo(
  create: (
    memory: typeof import("mongodb-memory-server"),
    instance: typeof INSTANCE,
  ) => Promise<{ getUri(): string; stop(): Promise<unknown> }>,
): Promise<MongoServer | undefined> {
  if (readEnv()["MONGOMS_SYSTEM_BINARY"] === undefined) return undefined;
  const server = await create(await import("mongodb-memory-server"), INSTANCE);
  return { url: server.getUri(), stop: () => server.stop() };
}

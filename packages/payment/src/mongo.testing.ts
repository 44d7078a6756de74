import { readEnv } from "@tercet/service";
import { MongoClient } from "mongodb";

export interface MongoServer {
  readonly url: string;
  /** For people: "MongoDB 8.2.0", "FerretDB v1.24.2". */
  readonly version: string;
  /** FerretDB 1 reads, changes and writes documents in three steps. */
  readonly atomic: boolean;
  readonly stop: () => Promise<unknown>;
}

const DOWNLOADS = "https://fastdl.mongodb.org";
const PROBE_TIMEOUT_MS = 3_000;

/**
 * The server that MONGODB_URL names, else one that mongodb-memory-server can start, else why there
 * is none.
 */
export async function findMongo(): Promise<MongoServer | { readonly missing: string }> {
  const { MONGODB_URL: url } = readEnv();
  // A server that was named must be there: no skipping then.
  if (url !== undefined) return describeServer(url, async () => {});
  try {
    return await startMongo();
  } catch (error) {
    return {
      missing: `MONGODB_URL is not set, and mongodb-memory-server has none: ${String(error).split("\n")[0]}`,
    };
  }
}

async function startMongo(): Promise<MongoServer> {
  // A binary that it downloaded before is used without asking; a download that cannot work is not
  // waited for.
  if (!(await reachable(DOWNLOADS))) process.env["MONGOMS_RUNTIME_DOWNLOAD"] = "false";
  const { MongoBinary, MongoMemoryServer } = await import("mongodb-memory-server");
  // Says what is missing without the pages that a start would print.
  await MongoBinary.getPath();
  const server = await MongoMemoryServer.create();
  return describeServer(server.getUri(), () => server.stop());
}

async function describeServer(url: string, stop: () => Promise<unknown>): Promise<MongoServer> {
  await using client = new MongoClient(url, { serverSelectionTimeoutMS: PROBE_TIMEOUT_MS });
  const { version, ferretdbVersion } = await client.db().command({ buildInfo: 1 });
  const ferretdb = ferretdbVersion !== undefined;
  return {
    url,
    version: ferretdb ? `FerretDB ${ferretdbVersion}` : `MongoDB ${version}`,
    atomic: !ferretdb,
    stop,
  };
}

async function reachable(url: string): Promise<boolean> {
  return fetch(url, { method: "HEAD", signal: AbortSignal.timeout(PROBE_TIMEOUT_MS) }).then(
    () => true,
    () => false,
  );
}

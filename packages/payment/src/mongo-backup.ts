import { type BackupRow, rowLines, StartError, unusableDatabase } from "@tercet/service";
import { BSON, type Document, MongoClient } from "mongodb";

const { EJSON } = BSON;
const BATCH = 500;
const TIMEOUT_MS = 5_000;

/**
 * Yields every document of the database, as it was at one moment: of a replica set a snapshot is
 * read. A single server has none; each payment, being one document, is consistent there too.
 */
export async function* exportMongo(url: string): AsyncGenerator<BackupRow> {
  await using client = await connect(url);
  const { setName } = await client.db().command({ hello: 1 });
  const snapshot = setName !== undefined;
  await using session = client.startSession({ snapshot });
  const options = snapshot ? { session } : { readConcern: "majority" as const };
  for (const name of await collectionsOf(client)) {
    // Exact types: numbers of 64 bits stay such.
    const documents = client
      .db()
      .collection(name)
      .find({}, { ...options, promoteValues: false });
    for await (const document of documents)
      yield [name, EJSON.stringify(document, { relaxed: false })];
  }
}

/**
 * Inserts the documents of a backup into a database that has none. Throws StartError if it has
 * some: then, and after a failure, drop it first.
 */
export async function importMongo(url: string, path: string): Promise<void> {
  await using client = await connect(url);
  for (const name of await collectionsOf(client))
    if ((await client.db().collection(name).findOne()) !== null)
      throw new StartError(
        `${name} has documents: restore into a new database, before its service starts`,
      );
  for await (const lines of rowLines(path, BATCH)) {
    const rows = lines.map((line) => JSON.parse(line) as BackupRow);
    for (const [name, some] of Map.groupBy(rows, ([name]) => name))
      await client
        .db()
        .collection(name)
        .insertMany(some.map(([, json]) => EJSON.parse(json, { relaxed: false }) as Document));
  }
}

async function connect(url: string): Promise<MongoClient> {
  const client = new MongoClient(url, {
    appName: "tercet-backup",
    serverSelectionTimeoutMS: TIMEOUT_MS,
    connectTimeoutMS: TIMEOUT_MS,
    writeConcern: { w: "majority", journal: true },
  });
  try {
    return await client.connect();
  } catch (error) {
    await client.close();
    throw unusableDatabase(error as Error);
  }
}

async function collectionsOf(client: MongoClient): Promise<string[]> {
  const collections = await client.db().listCollections({}, { nameOnly: true }).toArray();
  return collections
    .map(({ name }) => name)
    .filter((name) => !name.startsWith("system."))
    .sort();
}

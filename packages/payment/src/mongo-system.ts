import { ForeignDatabaseError } from "@tercet/service";
import { type Db, MongoServerError } from "mongodb";
import { DUPLICATE_KEY, reach } from "./mongo-errors.ts";

/** The only document of its collection: the system whose services may use this database. */
interface SystemDocument {
  _id: "system";
  id: string;
}

const systemsIn = (db: Db) => db.collection<SystemDocument>("system");

/** As `claimDatabase` of @tercet/service. Throws ForeignDatabaseError. */
export async function claimDatabase(db: Db, systemId: string): Promise<void> {
  await insert(db, systemId);
  const owner = await findSystem(db);
  if (owner !== systemId) throw new ForeignDatabaseError(owner ?? "", systemId);
}

export async function findSystem(db: Db): Promise<string | undefined> {
  return (await reach(systemsIn(db).findOne({ _id: "system" })))?.id;
}

async function insert(db: Db, id: string): Promise<void> {
  try {
    await reach(systemsIn(db).insertOne({ _id: "system", id }));
  } catch (error) {
    if (!(error instanceof MongoServerError && error.code === DUPLICATE_KEY)) throw error;
  }
}

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { drizzle } from "drizzle-orm/postgres-js";
import { migrate } from "drizzle-orm/postgres-js/migrator";
import postgres from "postgres";

const CONNECT_TIMEOUT_S = 10;
/** Any constant will do, as long as every replica takes the same one. */
const MIGRATION_LOCK = 7_237_238;
const UNDEFINED_TABLE = "42P01";

/**
 * The database's schema is older than the program, which must not work on it. `missing` names what
 * has not been run there.
 */
export class SchemaBehindError extends Error {
  readonly missing: readonly string[];

  constructor(missing: readonly string[]) {
    super(
      `the database's schema is behind: it lacks ${missing.join(", ")}; run dist/migrate.js first, or set MIGRATE_AT_START=true`,
    );
    this.name = "SchemaBehindError";
    this.missing = missing;
  }
}

/**
 * Brings the schema up to date. Replicas that start at once wait for each other on an advisory
 * lock, held by the one connection that migrates.
 */
export async function migratePostgres(url: string, folder: URL): Promise<void> {
  await withConnection(url, async (sql) => {
    await sql`select pg_advisory_lock(${MIGRATION_LOCK})`;
    await migrate(drizzle(sql), { migrationsFolder: fileURLToPath(folder) });
    await sql`select pg_advisory_unlock(${MIGRATION_LOCK})`;
  });
}

/**
 * What a service does before it opens its database: it migrates, or, where a job does that, throws
 * SchemaBehindError unless the job has. A schema that is ahead will do: a roll-back meets one.
 */
export async function prepareSchema(
  url: string,
  folder: URL,
  migrateAtStart: boolean,
): Promise<void> {
  if (migrateAtStart) return await migratePostgres(url, folder);
  const [steps, last] = await Promise.all([
    readJournal(folder),
    withConnection(url, lastMigration),
  ]);
  const missing = steps.filter(({ when }) => when > last).map(({ tag }) => tag);
  if (missing.length > 0) throw new SchemaBehindError(missing);
}

interface Step {
  readonly tag: string;
  /** What drizzle remembers a step by, and orders them by. */
  readonly when: number;
}

async function readJournal(folder: URL): Promise<readonly Step[]> {
  const text = await readFile(join(fileURLToPath(folder), "meta/_journal.json"), "utf8");
  return (JSON.parse(text) as { entries: Step[] }).entries;
}

/** 0 where nothing was ever migrated. */
async function lastMigration(sql: postgres.Sql): Promise<number> {
  try {
    const [row] = await sql<
      { last: string | null }[]
    >`select max(created_at) as last from drizzle.__drizzle_migrations`;
    return Number(row?.last ?? 0);
  } catch (error) {
    if (error instanceof postgres.PostgresError && error.code === UNDEFINED_TABLE) return 0;
    throw error;
  }
}

async function withConnection<T>(url: string, work: (sql: postgres.Sql) => Promise<T>): Promise<T> {
  const sql = postgres(url, {
    max: 1,
    fetch_types: false,
    connect_timeout: CONNECT_TIMEOUT_S,
    onnotice: () => {},
  });
  try {
    return await work(sql);
  } finally {
    await sql.end({ timeout: 1 });
  }
}

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import postgres from "postgres";
import { StartError, unusableDatabase } from "../config.ts";

const CONNECT_TIMEOUT_S = 10;
/** Any constant, the same in every replica. */
const MIGRATION_LOCK = 7_237_238;
const UNDEFINED_TABLE = "42P01";

/** The database's schema is older than the program; `missing` names the migrations to run. */
export class SchemaBehindError extends StartError {
  readonly missing: readonly string[];

  constructor(missing: readonly string[]) {
    super(
      `the database's schema is behind: it lacks ${missing.join(", ")}; run dist/migrate.js first, or set MIGRATE_AT_START=true`,
    );
    this.missing = missing;
  }
}

/**
 * Migrates the database, if its schema is behind. Concurrent replicas wait for each other on an
 * advisory lock.
 */
export async function migratePostgres(url: string, folder: URL): Promise<void> {
  await withConnection(url, async (sql) => {
    if ((await missingMigrations(sql, folder)).length === 0) return;
    const [{ drizzle }, { migrate }] = await Promise.all([
      import("drizzle-orm/postgres-js"),
      import("drizzle-orm/postgres-js/migrator"),
    ]);
    await sql`select pg_advisory_lock(${MIGRATION_LOCK})`;
    await migrate(drizzle(sql), { migrationsFolder: fileURLToPath(folder) });
    await sql`select pg_advisory_unlock(${MIGRATION_LOCK})`;
  });
}

/**
 * Migrates the database, or, if a job does that, throws SchemaBehindError unless the job has. A
 * schema that is ahead is accepted: a roll-back finds one.
 */
export async function prepareSchema(
  url: string,
  folder: URL,
  migrateAtStart: boolean,
): Promise<void> {
  if (migrateAtStart) return await migratePostgres(url, folder);
  const missing = await withConnection(url, (sql) => missingMigrations(sql, folder));
  if (missing.length > 0) throw new SchemaBehindError(missing);
}

interface Step {
  readonly tag: string;
  /** By which drizzle identifies and orders the steps. */
  readonly when: number;
}

/** Resolves to the names of the migrations that have not run. */
async function missingMigrations(sql: postgres.Sql, folder: URL): Promise<string[]> {
  const [steps, last] = await Promise.all([readJournal(folder), lastMigration(sql)]);
  return steps.filter(({ when }) => when > last).map(({ tag }) => tag);
}

async function readJournal(folder: URL): Promise<readonly Step[]> {
  const text = await readFile(join(fileURLToPath(folder), "meta/_journal.json"), "utf8");
  return (JSON.parse(text) as { entries: Step[] }).entries;
}

/** Resolves to `when` of the last migration; 0 if there is none. */
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
    await sql`select 1`.catch((error: Error) => Promise.reject(unusableDatabase(error)));
    return await work(sql);
  } finally {
    await sql.end({ timeout: 1 });
  }
}

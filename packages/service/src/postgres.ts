import { fileURLToPath } from "node:url";
import { drizzle } from "drizzle-orm/postgres-js";
import { migrate } from "drizzle-orm/postgres-js/migrator";
import postgres from "postgres";

/** A pool of connections; statements are tagged templates, prepared once per connection. */
export type Sql = ReturnType<typeof connectPostgres>;

const CONNECT_TIMEOUT_S = 2;
const STATEMENT_TIMEOUT_MS = 5_000;
const LOCK_TIMEOUT_MS = 3_000;
const MAX_RECONNECT_DELAY_S = 1;
/** Any constant will do, as long as every replica takes the same one. */
const MIGRATION_LOCK = 7_237_238;

/**
 * Opens a pool. Columns are snake_case in SQL and camelCase in rows; int8 is bigint. Every wait is bounded: the driver's own defaults wait for ever.
 * `fetch_types` is off, which keeps connections whole when the server ends them (docs/decisions, one statement per transition); so arrays cannot be
 * parameters: send a set as `jsonb_to_recordset(${sql.json(rows)})`, bigints as text.
 */
export function connectPostgres(url: string, options: { max?: number; applicationName?: string } = {}) {
  return postgres(url, {
    max: options.max ?? 10,
    fetch_types: false,
    connect_timeout: CONNECT_TIMEOUT_S,
    // The driver's backoff grows to 20 s; a database that is back must be used again within a second.
    backoff: (attempt: number) => Math.min(MAX_RECONNECT_DELAY_S, 0.05 * 2 ** attempt) * (0.5 + Math.random() / 2),
    types: { bigint: postgres.BigInt },
    transform: { column: { from: postgres.toCamel, to: postgres.fromCamel } },
    onnotice: () => {},
    connection: {
      application_name: options.applicationName ?? "tercet",
      statement_timeout: STATEMENT_TIMEOUT_MS,
      lock_timeout: LOCK_TIMEOUT_MS,
      idle_in_transaction_session_timeout: STATEMENT_TIMEOUT_MS,
    },
  });
}

/** Brings the schema up to date. Replicas that start at once wait for each other on an advisory lock, held by the one connection that migrates. */
export async function migratePostgres(url: string, folder: URL): Promise<void> {
  const sql = postgres(url, { max: 1, fetch_types: false, connect_timeout: CONNECT_TIMEOUT_S * 5, onnotice: () => {} });
  try {
    await sql`select pg_advisory_lock(${MIGRATION_LOCK})`;
    await migrate(drizzle(sql), { migrationsFolder: fileURLToPath(folder) });
    await sql`select pg_advisory_unlock(${MIGRATION_LOCK})`;
  } finally {
    await sql.end({ timeout: 1 });
  }
}

/** Throws unless the database answers. */
export async function pingPostgres(sql: Sql): Promise<void> {
  await sql`select 1`;
}

const UNIQUE_VIOLATION = "23505";

export function isUniqueViolation(error: unknown, constraint?: string): boolean {
  return (
    error instanceof postgres.PostgresError &&
    error.code === UNIQUE_VIOLATION &&
    (constraint === undefined || error.constraint_name === constraint)
  );
}

export function isCheckViolation(error: unknown, constraint: string): boolean {
  return error instanceof postgres.PostgresError && error.code === "23514" && error.constraint_name === constraint;
}

/**
 * SQLSTATE classes: connection, resources, operator intervention; and a serialization failure, a deadlock, a lock that could not be had, a server that
 * has become a standby.
 */
const TRANSIENT_SQLSTATE = /^(08|53|57)|^(40001|40P01|55P03|25006)$/;
const TRANSIENT_DRIVER = /^(CONNECTION_|CONNECT_TIMEOUT|ECONN|EPIPE|ENOTFOUND|ETIMEDOUT|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH)/;

/** Whether the database could not be reached, or ended the statement for its own reasons: the statement may be tried again. */
export function isDatabaseUnavailable(error: unknown): boolean {
  if (error instanceof postgres.PostgresError) return TRANSIENT_SQLSTATE.test(error.code);
  const code = (error as { code?: unknown } | null)?.code;
  return error instanceof Error && typeof code === "string" && TRANSIENT_DRIVER.test(code);
}

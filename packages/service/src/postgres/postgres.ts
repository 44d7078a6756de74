import postgres from "postgres";
import type { DatabaseConfig } from "../config.ts";
import { MAX_PAGE_SIZE } from "../paging.ts";
import { prepareSchema } from "./migrations.ts";
import { Pool, type Priority } from "./postgres-pool.ts";
import { isServerReply, type Statement } from "./postgres-session.ts";
import { claimDatabase } from "./system.ts";

/** A pool of connections; statements are tagged templates, prepared once per connection. */
export interface Sql extends postgres.Sql<{ bigint: bigint }> {
  /** Transactions are torn when their connection dies: ADR 0010. */
  readonly begin: never;
  readonly reserve: never;
  /** Returns the same pool for statements of another priority; the default is "calls". */
  priority(priority: Priority): Sql;
  /** For how long the oldest statement has waited for a connection, in milliseconds. */
  waitMs(): number;
  /** A parameter of type json. The driver's own type refuses interfaces; this one takes them. */
  json(value: unknown): postgres.Parameter;
}

/** A piece of a statement. */
export type Fragment = ReturnType<Sql>;

/** An interval of `n` milliseconds. */
export const milliseconds = (sql: Sql, n: number): Fragment =>
  sql`(${n}::float8 * interval '1 millisecond')`;

/** Of a page, and the row that tells whether there are more. */
const MAX_ROWS = MAX_PAGE_SIZE + 1;
const CONNECT_TIMEOUT_S = 2;
const STATEMENT_TIMEOUT_MS = 5_000;
const LOCK_TIMEOUT_MS = 3_000;
/** Beyond the server's own limit: without a reply by then, the connection is lost. */
const REPLY_TIMEOUT_MS = STATEMENT_TIMEOUT_MS + 1_000;
const POOL_SIZE = 10;
/**
 * Every join is from a few rows to others by their key, and every list is read in the order of an
 * index. Without statistics, as on a new table, the planner would read, hash or sort whole tables
 * instead, and a prepared statement keeps its plan while they grow (ADR 0107).
 */
const PLANS = {
  enable_seqscan: "off",
  enable_bitmapscan: "off",
  enable_hashjoin: "off",
  enable_mergejoin: "off",
};

/**
 * Returns the query of the first `limit` rows of one that is read in the order of an index. The
 * rows of the longest page are in the text too: with a parameter alone the planner expects a tenth
 * of all rows, and plans each execution anew on a large table (ADR 0107).
 */
export const firstOf = (sql: Sql, ordered: Fragment, limit: number): Fragment =>
  limit > MAX_ROWS
    ? sql`${ordered} limit ${limit}`
    : sql`select * from (${ordered} limit ${sql.unsafe(String(MAX_ROWS))}) as page limit ${limit}`;

/**
 * Opens a pool of `max` connections, 10 by default. Columns are snake_case in SQL and camelCase in
 * rows; int8 is bigint. Every wait is bounded on this side too (README.md). `fetch_types` is off
 * (ADR 0010), so arrays cannot be parameters: send a set as
 * `jsonb_to_recordset(${sql.json(rows)})`, with bigints as text. A URL may name several hosts,
 * which are tried in turn.
 */
export function connectPostgres(
  url: string,
  options: { max?: number | undefined; applicationName?: string } = {},
): Sql {
  const driver = {
    max: 1,
    fetch_types: false,
    types: { bigint: postgres.BigInt },
    transform: { column: { from: postgres.toCamel, to: postgres.fromCamel } },
    onnotice: () => {},
    connection: {
      application_name: options.applicationName ?? "tercet",
      statement_timeout: STATEMENT_TIMEOUT_MS,
      lock_timeout: LOCK_TIMEOUT_MS,
      idle_in_transaction_session_timeout: STATEMENT_TIMEOUT_MS,
      ...PLANS,
    },
  };
  // Makes statements; never connects.
  const template = postgres(url, driver);
  const { host, port, path } = template.options;
  const pool = new Pool({
    url,
    driver,
    addresses: host.map((name, index) => ({
      host: name,
      port: port[index] ?? 5432,
      path: path || undefined,
    })),
    size: options.max ?? POOL_SIZE,
    name: options.applicationName ?? "tercet",
    database: template.options.database,
    connectTimeoutMs: CONNECT_TIMEOUT_S * 1_000,
    replyTimeoutMs: REPLY_TIMEOUT_MS,
  });
  return pooledSql(template, pool, "calls");
}

/**
 * Opens the pool of a service once its schema is up to date. Throws SchemaBehindError if migrations
 * are missing and `migrateAtStart` is false, and ForeignDatabaseError if the database belongs to
 * another system than `systemId`.
 */
export async function openPostgres(
  applicationName: string,
  url: string,
  migrations: URL,
  { databasePoolSize: max, migrateAtStart = true, systemId }: DatabaseConfig = {},
): Promise<Sql> {
  await prepareSchema(url, migrations, migrateAtStart);
  const sql = connectPostgres(url, { applicationName, max });
  try {
    if (systemId !== undefined) await claimDatabase(sql, systemId);
    return sql;
  } catch (error) {
    await sql.end({ timeout: 1 });
    throw error;
  }
}

/** The driver's template function, whose statements run through the pool. */
function pooledSql(
  template: postgres.Sql<{ bigint: bigint }>,
  pool: Pool,
  priority: Priority,
): Sql {
  const handler = (statement: Statement) => pool.admit(statement, priority);
  const pooled = <T>(value: T): T => {
    if (typeof (value as Partial<Statement>).handler === "function")
      (value as Statement).handler = handler;
    return value;
  };
  const own = {
    unsafe: (...args: Parameters<typeof template.unsafe>) => pooled(template.unsafe(...args)),
    end: (options?: { timeout?: number }) => pool.end(options),
    priority: (other: Priority) => pooledSql(template, pool, other),
    waitMs: () => pool.waitMs(),
  };
  return new Proxy(template, {
    apply: (make, _this, args) => pooled(Reflect.apply(make, undefined, args)),
    get: (target, key) =>
      Object.hasOwn(own, key) ? Reflect.get(own, key) : Reflect.get(target, key),
  }) as Sql;
}

const pings = new WeakMap<Sql, Promise<void>>();

/** Throws unless the database replies. Concurrent calls share one statement. */
export function pingPostgres(sql: Sql): Promise<void> {
  const ping = pings.get(sql) ?? ask(sql).finally(() => pings.delete(sql));
  pings.set(sql, ping);
  return ping;
}

async function ask(sql: Sql): Promise<void> {
  await sql.priority("lease")`select 1`;
}

/** Whether the database replied that nothing of the statement took effect. */
export const isRolledBack: (error: unknown) => boolean = isServerReply;

/** Whether the database refused the statement because of this constraint. */
export const violates = (error: unknown, constraint: string): boolean =>
  error instanceof postgres.PostgresError && error.constraint_name === constraint;

/**
 * The SQLSTATE classes connection, resources and operator intervention; serialization failure,
 * deadlock, lock not available, read-only (the server has become a standby).
 */
const TRANSIENT_SQLSTATE = /^(08|53|57)|^(40001|40P01|55P03|25006)$/;
const TRANSIENT_DRIVER =
  /^(CONNECTION_|CONNECT_TIMEOUT|ECONN|EPIPE|ENOTFOUND|ETIMEDOUT|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH)/;

/**
 * Whether the database was unreachable or ended the statement for reasons of its own; the statement
 * can be retried.
 */
export function isDatabaseUnavailable(error: unknown): boolean {
  if (error instanceof postgres.PostgresError) return TRANSIENT_SQLSTATE.test(error.code);
  const code = (error as { code?: unknown } | null)?.code;
  return error instanceof Error && typeof code === "string" && TRANSIENT_DRIVER.test(code);
}

import postgres from "postgres";
import { StartError, unusableDatabase } from "../config.ts";
import { migratePostgres } from "../postgres/migrations.ts";
import { type BackupRow, rowLines } from "./backup-file.ts";

const MIGRATIONS = "drizzle.__drizzle_migrations";
const BATCH = 500;
const OPTIONS = {
  max: 1,
  fetch_types: false,
  connect_timeout: 10,
  connection: { application_name: "tercet-backup", lock_timeout: 10_000 },
  onnotice: () => {},
};

/**
 * Yields every row of the database, as it was at one moment: all are read by one statement. Also
 * the migrations that made its tables.
 */
export async function* exportPostgres(url: string): AsyncGenerator<BackupRow> {
  const sql = postgres(url, OPTIONS);
  try {
    const tables = await tablesOf(sql);
    const selects = [MIGRATIONS, ...tables].map(
      (table) => `select '${table}' as name, row_to_json(r)::text as json from ${table} r`,
    );
    const rows = sql.unsafe<{ name: string; json: string }[]>(selects.join(" union all "));
    for await (const some of rows.cursor(BATCH))
      for (const { name, json } of some) yield [name, json];
  } finally {
    await sql.end({ timeout: 1 });
  }
}

/** Makes the tables of a new database, and inserts the rows of a backup. Throws StartError. */
export async function restorePostgres(url: string, migrations: URL, path: string): Promise<void> {
  await migratePostgres(url, migrations);
  await importPostgres(url, path);
}

/**
 * Inserts the rows of a backup into a database that has its tables and no rows, by one statement:
 * after a failure it is as empty as before. Throws StartError if it has rows, or was migrated by
 * another version than the backup's.
 */
export async function importPostgres(url: string, path: string): Promise<void> {
  const sql = postgres(url, OPTIONS);
  try {
    const tables = await tablesOf(sql);
    for (const table of tables) {
      const [row] = await sql.unsafe(`select 1 from ${table} limit 1`);
      if (row !== undefined)
        throw new StartError(
          `${table} has rows: restore into a new database, before its service starts`,
        );
    }
    await stage(sql, path);
    await requireSameTables(sql, tables);
    const columns = await columnsOf(sql);
    const inserts = tables.map(
      (table, index) => `t${index} as (
        insert into ${table} (${columns.get(table)})
        select ${columns.get(table)} from (
          select r.* from backup.rows b, json_populate_record(null::${table}, b.json) r
          where b.name = '${table}') as given)`,
    );
    await sql.unsafe(`with ${inserts.join(", ")} select 1`);
  } finally {
    await sql`drop schema if exists backup cascade`.catch(() => {});
    await sql.end({ timeout: 1 });
  }
}

/** Resolves to the service's tables, quoted for SQL. */
async function tablesOf(sql: postgres.Sql): Promise<string[]> {
  const rows = await sql<{ name: string }[]>`
    select format('%I.%I', schemaname, tablename) as name
    from pg_tables where schemaname = 'public' order by name`.catch((error: Error) =>
    Promise.reject(unusableDatabase(error)),
  );
  return rows.map(({ name }) => name);
}

/** Resolves to the columns of each table, quoted for SQL, except those that the server computes. */
async function columnsOf(sql: postgres.Sql): Promise<ReadonlyMap<string, string>> {
  const rows = await sql<{ name: string; columns: string }[]>`
    select format('%I.%I', table_schema, table_name) as name,
      string_agg(format('%I', column_name), ', ' order by ordinal_position) as columns
    from information_schema.columns where table_schema = 'public' and is_generated = 'NEVER'
    group by table_schema, table_name`;
  return new Map(rows.map(({ name, columns }) => [name, columns]));
}

async function stage(sql: postgres.Sql, path: string): Promise<void> {
  await sql`drop schema if exists backup cascade`;
  await sql`create schema backup`;
  await sql`create unlogged table backup.rows (name text not null, json json not null)`;
  for await (const lines of rowLines(path, BATCH))
    await sql.unsafe(
      `insert into backup.rows
       select r ->> 0, (r ->> 1)::json from json_array_elements($1::text::json) r`,
      [`[${lines.join(",")}]`],
    );
}

async function requireSameTables(sql: postgres.Sql, tables: readonly string[]): Promise<void> {
  const [row] = await sql.unsafe<{ same: boolean; unknown: string | null }[]>(
    `select
       (select json_agg(json ->> 'hash' order by (json ->> 'created_at')::bigint)::text
        from backup.rows where name = $1)
       is not distinct from
       (select json_agg(hash order by created_at)::text from ${MIGRATIONS}) as same,
       (select min(name) from backup.rows
        where name <> $1 and name not in (select json_array_elements_text($2::text::json))) as unknown`,
    [MIGRATIONS, JSON.stringify(tables)],
  );
  if (row?.same !== true || row.unknown !== null)
    throw new StartError(
      "the backup was made by another version, whose tables differ: restore it with that version, then upgrade",
    );
}

import { randomBytes } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { testDatabase } from "../testing.ts";
import { type BackupRow, checkBackup, latestBackup, writeBackup } from "./backup-file.ts";
import { exportPostgres, importPostgres } from "./postgres-backup.ts";

const folder = await mkdtemp(join(tmpdir(), "tercet-backup-"));
afterAll(() => rm(folder, { recursive: true, force: true }));

async function* rows(...all: readonly BackupRow[]): AsyncGenerator<BackupRow> {
  yield* all;
}
const write = (name: string, all: AsyncIterable<BackupRow> = rows(["t", "{}"]), keep = 7) =>
  writeBackup(join(folder, name), "order", keep, all);

describe("a file", () => {
  test("is its owner's alone, and has its name only when it is whole", async () => {
    const { path } = await write("whole");
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(path).toMatch(/order-20\d\d-\d\d-\d\dT\d\d-\d\d-\d\dZ\.jsonl\.gz$/);
    async function* failing(): AsyncGenerator<BackupRow> {
      yield ["t", "{}"];
      throw new Error("the database is gone");
    }
    await expect(write("failed", failing())).rejects.toThrow("the database is gone");
    expect(await readdir(join(folder, "failed"))).toEqual([]);
  });

  test("of the same service the latest are kept, of others all", async () => {
    const kept = join(folder, "kept");
    await write("kept");
    const old = ["order-2026-01-01T00-00-00Z.jsonl.gz", "order-2026-01-02T00-00-00Z.jsonl.gz"];
    const left = ["order-2026-01-03T00-00-00Z.jsonl.gz.unfinished", "payment-2026.jsonl.gz"];
    for (const name of [...old, ...left]) await writeFile(join(kept, name), "");
    const { path } = await vi.waitUntil(
      // Its name is of the second.
      () => writeBackup(kept, "order", 2, rows()).catch(() => undefined),
      { timeout: 5_000, interval: 200 },
    );
    expect(await readdir(kept)).toHaveLength(3);
    expect(await readdir(kept)).toContain("payment-2026.jsonl.gz");
    expect(await latestBackup(kept, "order")).toBe(path);
  });

  test("that is cut off, changed, or of another service is refused", async () => {
    const { path } = await write("damaged", rows(["t", '{"a":1}'], ["t", '{"a":2}']));
    expect(await checkBackup(path, "order")).toEqual({ path, rows: 2 });
    await expect(checkBackup(path, "payment")).rejects.toThrow(
      "it is a backup of order, not of payment",
    );
    const whole = await readFile(path);
    const lines = gunzipSync(whole).toString().split("\n");
    const texts = [
      lines.toSpliced(2, 1).join("\n"),
      lines.slice(0, -2).join("\n"),
      lines.join("\n").replace('\\"a\\":1', '\\"a\\":3'),
      lines.slice(1).join("\n"),
      "",
    ];
    for (const text of texts) {
      await writeFile(path, gzipSync(text));
      await expect(checkBackup(path, "order"), text).rejects.toThrow("cannot be restored");
    }
    await writeFile(path, whole);
    await truncate(path, whole.length - 20);
    await expect(checkBackup(path, "order")).rejects.toThrow("cannot be restored");
  });
});

describe("a database", () => {
  const tables = `
    create schema drizzle;
    create table drizzle.__drizzle_migrations (id int, hash text, created_at bigint);
    insert into drizzle.__drizzle_migrations values (1, 'a', 1), (2, 'b', 2);
    create table users (id uuid primary key, email text not null, name text, json json);
    create table "Odd name" (
      id uuid references users, big bigint, at timestamptz, hash bytea, doc jsonb, tags text[],
      exact numeric, nothing text, twice numeric generated always as (exact * 2) stored)`;
  let source: Awaited<ReturnType<typeof testDatabase>>;
  let path: string;
  const contents = async (database: typeof source) => {
    const sql = database.connect();
    try {
      return await sql`select u.email, (o.*)::text as odd from users u join "Odd name" o using (id)`;
    } finally {
      await sql.end({ timeout: 1 });
    }
  };
  const empty = async (more = "") => {
    const database = await testDatabase();
    const sql = database.connect();
    await sql.unsafe(`${tables};${more}`);
    await sql.end({ timeout: 1 });
    return database;
  };

  beforeAll(async () => {
    source = await empty(`
      insert into users select gen_random_uuid(), 'user-' || n || E'\\\\ \\"ä\\n' from generate_series(1, 1200) n;
      insert into "Odd name" select id, 9223372036854775807, now(), '\\x${randomBytes(8).toString("hex")}',
        '{"n": 12345678901234567890.5}', array['a,b', null], 0.1000, null from users`);
    ({ path } = await write("database", exportPostgres(source.url)));
  });
  afterAll(() => source?.[Symbol.asyncDispose]());

  test("comes back with every value as it was, however many rows", async () => {
    await using target = await empty();
    expect((await checkBackup(path, "order")).rows).toBe(2 + 1_200 + 1_200);
    await importPostgres(target.url, path);
    const before = await contents(source);
    expect(before).toHaveLength(1_200);
    expect(new Set((await contents(target)).map((row) => JSON.stringify(row)))).toEqual(
      new Set(before.map((row) => JSON.stringify(row))),
    );
  });

  test("that has rows, or was migrated by another version, is refused and left as it was", async () => {
    await using full = await empty("insert into users values (gen_random_uuid(), 'me')");
    await expect(importPostgres(full.url, path)).rejects.toThrow("has rows");
    await using other = await empty("delete from drizzle.__drizzle_migrations where id = 2");
    await expect(importPostgres(other.url, path)).rejects.toThrow("made by another version");
    expect(await contents(other)).toEqual([]);
    const sql = other.connect();
    const schemas = await sql`select 1 from pg_namespace where nspname = 'backup'`;
    await sql.end({ timeout: 1 });
    expect(schemas).toEqual([]);
  });
});

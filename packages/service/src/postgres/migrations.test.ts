import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type TestDatabase, testDatabase } from "../testing.ts";
import { migratePostgres, prepareSchema } from "./migrations.ts";

/** As drizzle-kit writes it; only the first `count` steps. */
async function writeMigrations(folder: string, count: number): Promise<URL> {
  const steps = [
    "create table things (id int8 primary key);",
    // Each run would add a row, and each takes its time.
    "insert into things select coalesce(max(id), 0) + 1 from things;--> statement-breakpoint\nselect pg_sleep(0.2);",
  ].slice(0, count);
  const entries = steps.map((_, idx) => ({
    idx,
    version: "7",
    when: 1_700_000_000_000 + idx,
    tag: `000${idx}_step`,
    breakpoints: true,
  }));
  await mkdir(join(folder, "meta"), { recursive: true });
  await writeFile(
    join(folder, "meta/_journal.json"),
    JSON.stringify({ version: "7", dialect: "postgresql", entries }),
  );
  await Promise.all(steps.map((sql, idx) => writeFile(join(folder, `000${idx}_step.sql`), sql)));
  return pathToFileURL(`${folder}/`);
}

let scratch: string;
let both: URL;
let first: URL;
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), "tercet migrations "));
  [first, both] = await Promise.all([
    writeMigrations(join(scratch, "first"), 1),
    writeMigrations(join(scratch, "both"), 2),
  ]);
});
afterAll(() => rm(scratch, { recursive: true, force: true }));

async function things({ connect }: TestDatabase): Promise<unknown[]> {
  const sql = connect();
  try {
    return [...(await sql`select id from things`)];
  } finally {
    await sql.end();
  }
}

test("five replicas that migrate one fresh database at once all succeed, and each step runs once", async () => {
  await using database = await testDatabase();
  await Promise.all(Array.from({ length: 5 }, () => prepareSchema(database.url, both, true)));
  await migratePostgres(database.url, both);
  expect(await things(database)).toEqual([{ id: 1n }]);
});

describe("with MIGRATE_AT_START=false", () => {
  test("a service refuses a schema that is behind, names the missing steps, and changes nothing", async () => {
    await using database = await testDatabase();
    await expect(prepareSchema(database.url, both, false)).rejects.toMatchObject({
      missing: ["0000_step", "0001_step"],
    });
    await migratePostgres(database.url, first);
    await expect(prepareSchema(database.url, both, false)).rejects.toThrow(
      "it lacks 0001_step; run dist/migrate.js",
    );
    expect(await things(database)).toEqual([]);
  });

  test("a service accepts a schema that is up to date, and one that is ahead, as after a roll-back", async () => {
    await using database = await testDatabase(both);
    await prepareSchema(database.url, both, false);
    await prepareSchema(database.url, first, false);
    expect(await things(database)).toEqual([{ id: 1n }]);
  });
});

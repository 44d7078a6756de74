import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { migratePostgres } from "@tercet/service";
import { testDatabase } from "@tercet/service/testing";
import { afterAll, beforeAll, expect, test } from "vitest";

const MIGRATIONS = new URL("../migrations/", import.meta.url);
const JOURNAL = "meta/_journal.json";

let scratch: string;
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), "tercet migrations "));
});
afterAll(() => rm(scratch, { recursive: true, force: true }));

/** The migrations before this one. */
async function migrationsBefore(tag: string): Promise<URL> {
  await cp(MIGRATIONS, scratch, { recursive: true });
  const journal = JSON.parse(await readFile(join(scratch, JOURNAL), "utf8"));
  const index = journal.entries.findIndex((entry: { tag: string }) => entry.tag === tag);
  const entries = journal.entries.slice(0, index);
  await writeFile(join(scratch, JOURNAL), JSON.stringify({ ...journal, entries }));
  return pathToFileURL(`${scratch}/`);
}

test("the payment tokens of sagas that had ended before are deleted, those of open ones stay", async () => {
  await using database = await testDatabase();
  await migratePostgres(database.url, await migrationsBefore("0006_saga_fairness_key"));
  const sql = database.connect();
  for (const state of ["COMPLETED", "COMPENSATED", "RESOLVED", "RUNNING", "COMPENSATING"])
    await sql`
      insert into sagas (id, kind, version, subject, state, step, input, fence, deadline_at)
      values (
        gen_random_uuid(), 'place-order', 1, gen_random_uuid(), ${state}, 'charge',
        ${sql.json({ token: "tok_visa" })}, 1, now())`;
  await migratePostgres(database.url, MIGRATIONS);
  const rows = await sql`select state from sagas where input->>'token' = 'tok_visa' order by state`;
  expect(rows.map(({ state }) => state)).toEqual(["COMPENSATING", "RUNNING"]);
  await sql.end();
});

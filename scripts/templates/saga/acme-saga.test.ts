import {
  createSagaEngine,
  postgresSagaStore,
  RetryableError,
  type SagaEngine,
  TerminalError,
} from "@tercet/saga";
import type { Sql } from "@tercet/service";
import { type TestDatabase, testDatabase } from "@tercet/service/testing";
import { v7 as uuidv7 } from "uuid";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { acmeSaga, insertAcme } from "./acme-saga.ts";
import { MIGRATIONS } from "./postgres-store.ts";

let database: TestDatabase;
let sql: Sql;
let engine: SagaEngine;
/** What the participant does next: by default it works. */
let failures: Error[];
/** The calls that reached the participant, with their keys. */
let calls: (readonly [name: string, key: string])[];

const call = (name: string) => async (step: { readonly key: string }) => {
  calls.push([name, step.key]);
  const failure = failures.shift();
  if (failure !== undefined) throw failure;
};
const participant = { book: call("book"), cancel: call("cancel") };
const times = { deadlineMs: 60_000, compensationBudgetMs: 60_000 };

beforeAll(async () => {
  database = await testDatabase(MIGRATIONS);
  sql = database.connect();
});
beforeEach(async () => {
  [failures, calls] = [[], []];
  engine = createSagaEngine({
    store: postgresSagaStore(sql),
    definitions: [acmeSaga({ sql, participant, times })],
    pollMs: 50,
  });
  await engine.start();
});
afterEach(() => engine.stop());
afterAll(async () => {
  await sql.end();
  await database[Symbol.asyncDispose]();
});

async function begin(): Promise<string> {
  const id = uuidv7();
  const saga = engine.prepare(acmeSaga({ sql, participant, times }), id, { note: "n" });
  await insertAcme(sql, id, saga);
  engine.drive(saga);
  return id;
}

const outcomeOf = async (id: string) => {
  const [row] = await sql<{ status: string; state: string }[]>`
    select r.status, s.state from acme_rows r join sagas s on s.subject = r.id where r.id = ${id}`;
  return row;
};
const names = () => calls.map(([name]) => name);

test("it books and finishes", async () => {
  const id = await begin();
  await expect.poll(() => outcomeOf(id)).toEqual({ status: "DONE", state: "COMPLETED" });
  expect(names()).toEqual(["book"]);
});

test("a failure that may pass is retried with the same key", async () => {
  failures = [new RetryableError("busy")];
  const id = await begin();
  await expect.poll(() => outcomeOf(id)).toEqual({ status: "DONE", state: "COMPLETED" });
  expect(names()).toEqual(["book", "book"]);
  expect(new Set(calls.map(([, key]) => key)).size).toBe(1);
});

test("what is refused is cancelled, without a cancel of what was never booked", async () => {
  failures = [new TerminalError("FULL", "there is no room")];
  const id = await begin();
  await expect.poll(() => outcomeOf(id)).toEqual({ status: "CANCELLED", state: "COMPENSATED" });
  expect(names()).toEqual(["book"]);
});

import { testDatabase } from "@tercet/service/testing";
import { generateDrizzleJson, generateMigration } from "drizzle-kit/api";
import { v7 as uuidv7 } from "uuid";
import { afterAll, afterEach, beforeAll } from "vitest";
import {
  advance,
  beginSaga,
  createSagaEngine,
  type EngineOptions,
  eventsOf,
  initial,
  local,
  type Move,
  moveRows,
  postgresSagaStore,
  remote,
  type SagaDefinition,
  type SagaEngine,
  type SagaFailure,
  type SagaObserver,
  type SagaSql,
  type StepCall,
  type StoredEvents,
  toResults,
  type UndoCall,
} from "../src/index.ts";
import type { SagaRecord } from "../src/saga.ts";
import * as schema from "../src/schema.ts";

/** Creates a database with the engine's tables, and a table of things that sagas are about. */
export async function sagaDatabase() {
  const database = await testDatabase();
  const sql = database.connect();
  const statements = await generateMigration(generateDrizzleJson({}), generateDrizzleJson(schema));
  for (const statement of statements) await sql.unsafe(statement);
  await sql`create table things (id uuid primary key, status text not null)`;
  return {
    sql,
    saga: async (id: string) => {
      const [saga] = await sql<(SagaRecord & StoredEvents)[]>`select * from sagas where id = ${id}`;
      return saga && { ...saga, events: eventsOf(saga) };
    },
    status: async (id: string) =>
      (await sql<{ status: string }[]>`select status from things where id = ${id}`)[0]?.status,
    async [Symbol.asyncDispose]() {
      await sql.end();
      await database[Symbol.asyncDispose]();
    },
  };
}

/**
 * A database for the tests of a file, and engines that are stopped after the test that started
 * them.
 */
export function sagaTests() {
  const opened = {} as Awaited<ReturnType<typeof sagaDatabase>>;
  const engines: SagaEngine[] = [];
  beforeAll(async () => void Object.assign(opened, await sagaDatabase()));
  afterEach(async () => {
    await Promise.all(engines.splice(0).map((engine) => engine.stop()));
    await opened.sql`truncate sagas, workers, things`;
  });
  afterAll(() => opened[Symbol.asyncDispose]());
  return {
    db: opened,
    /** Those that are stopped after the test. */
    engines,
    async started(definition: SagaDefinition<Input>, options = {}): Promise<SagaEngine> {
      const engine = testEngine(opened.sql, definition, options);
      engines.push(engine);
      await engine.start();
      return engine;
    },
  };
}

export interface Input {
  readonly note: string;
}

/** The remote step of the test saga. */
export interface Participant {
  run(call: StepCall<Input>): Promise<void>;
  undo(call: UndoCall<Input>): Promise<void>;
}

export interface ThingOptions extends Partial<Participant> {
  /** Returns why the last step is refused. */
  readonly refuse?: () => SagaFailure | undefined | Promise<SagaFailure | undefined>;
  readonly deadlineMs?: number;
  readonly compensationBudgetMs?: number;
}

const apply = (sql: SagaSql, status: string | undefined) => async (moves: readonly Move[]) => {
  const rows = await sql<{ sagaId: string }[]>`
    with moves as (${moveRows(sql, moves)}), moved as (${advance(sql)}),
    changed as (update things t set status = coalesce(${status ?? null}, moved.state) from moved where t.id = moved.subject)
    select saga_id from moved`;
  return toResults(moves, rows);
};

/** Make the thing, call, finish the thing. */
export function thingSaga(sql: SagaSql, options: ThingOptions = {}): SagaDefinition<Input> {
  const { run = async () => {}, undo = async () => {}, refuse = () => undefined } = options;
  const finish = apply(sql, "FINISHED");
  return {
    kind: "thing",
    version: 1,
    steps: [
      initial({ name: "make", undo: apply(sql, "UNDONE") }),
      remote<Input>({ name: "call", run, undo }),
      local({
        name: "finish",
        run: async (moves) => {
          const refused = await refuse();
          return refused === undefined
            ? finish(moves)
            : moves.map(({ sagaId }) => ({ sagaId, moved: false, refused }));
        },
      }),
    ],
    recovery: "backward",
    deadlineMs: options.deadlineMs ?? 60_000,
    compensationBudgetMs: options.compensationBudgetMs ?? 60_000,
    deadlineFailure: { reason: "TOO_LATE", message: "it took too long" },
    syncSubject: apply(sql, undefined),
    parse: (input) => {
      if (typeof (input as Input).note !== "string")
        throw new Error("the stored input has no note");
      return input as Input;
    },
  };
}

export function testEngine(
  sql: SagaSql,
  definition: SagaDefinition<Input>,
  options: Partial<EngineOptions> = {},
): SagaEngine {
  // Short, so that a take-over takes half a second instead of six.
  return createSagaEngine({
    store: postgresSagaStore(sql),
    definitions: [definition],
    leaseMs: 500,
    heartbeatMs: 100,
    pollMs: 50,
    ...options,
  });
}

/** Stores a thing and its saga by one statement, and drives the saga. */
export async function begin(
  sql: SagaSql,
  engine: SagaEngine,
  definition: SagaDefinition<Input>,
  input: unknown = { note: "n" },
  fairnessKey = "",
) {
  const thing = uuidv7();
  const saga = engine.prepare(definition, thing, input as Input, fairnessKey);
  await sql`
    with made as (insert into things (id, status) values (${thing}, 'MADE') returning id), begun as (${beginSaga(sql, saga, sql`made`)})
    select id from made`;
  engine.drive(saga);
  return { thing, saga: saga.id };
}

/** Records the notifications. */
export function recorder() {
  const seen: string[] = [];
  const observer: SagaObserver = {
    onHeld: (_saga, takenOver) => void (takenOver && seen.push("taken over")),
    onParked: () => void seen.push("parked"),
    onFenced: () => void seen.push("fenced"),
  };
  return { seen, observer };
}

export const gate = <T = void>() => Promise.withResolvers<T>();

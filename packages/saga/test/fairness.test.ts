import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { positionsOf } from "../src/definition.ts";
import { postgresSagaStore, type SagaEngine } from "../src/index.ts";
import type { Claim } from "../src/store.ts";
import { begin, sagaDatabase, testEngine, thingSaga } from "./fixture.ts";

const WORKER = { id: "0198a5a0-0000-7000-8000-000000000001", name: "test", instance: null };
const never = new Promise<never>(() => {});

let db: Awaited<ReturnType<typeof sagaDatabase>>;
let engine: SagaEngine;

beforeAll(async () => {
  db = await sagaDatabase();
});
afterEach(async () => {
  await engine.stop(AbortSignal.abort());
  await db.sql`truncate sagas, workers, things`;
});
afterAll(() => db[Symbol.asyncDispose]());

describe("an engine", () => {
  test("works on the sagas of one key while those of another fill its share", async () => {
    // The input's note is the key.
    const definition = thingSaga(db.sql, {
      run: ({ input, fairnessKey }) => {
        expect(fairnessKey).toBe(input.note);
        return fairnessKey === "silent" ? never : Promise.resolve();
      },
    });
    engine = testEngine(db.sql, definition, { maxHeld: 8, maxHeldPerKey: 3 });
    await engine.start();
    for (let i = 0; i < 20; i++)
      await begin(db.sql, engine, definition, { note: "silent" }, "silent");
    const { thing } = await begin(db.sql, engine, definition, { note: "other" }, "other");
    await vi.waitFor(async () => expect(await db.status(thing)).toBe("FINISHED"), 10_000);
    await vi.waitFor(() => expect(engine.inFlight).toBe(3));
  });

  test("finishes the backlog of one key without waiting for its polls", async () => {
    const definition = thingSaga(db.sql);
    engine = testEngine(db.sql, definition, { maxHeldPerKey: 2, pollMs: 3_600_000 });
    await engine.start();
    const begun = Array.from({ length: 30 }, () =>
      begin(db.sql, engine, definition, { note: "one" }, "one"),
    );
    await Promise.all(begun);
    const unfinished = async () =>
      (await db.sql`select from things where status <> 'FINISHED'`).length;
    await vi.waitFor(async () => expect(await unfinished()).toBe(0), 10_000);
  });
});

describe("a claim", () => {
  const definition = () => thingSaga(db.sql);
  const claim = async (more: Partial<Claim>) => {
    const sagas = await postgresSagaStore(db.sql).claimDue({
      worker: WORKER,
      limit: 4,
      limitPerKey: 3,
      heldByKey: new Map(),
      leaseMs: 5_000,
      sparing: false,
      known: positionsOf([definition()]),
      held: [],
      orphaned: [],
      ...more,
    });
    return sagas.map(({ fairnessKey }) => fairnessKey).sort();
  };
  /** Due sagas that no one holds, the oldest first. */
  const due = async (...keys: readonly string[]) => {
    engine = testEngine(db.sql, definition());
    const prepared = engine.prepare(definition(), WORKER.id, { note: "" });
    await db.sql`
      insert into sagas (id, kind, version, subject, state, step, input, fairness_key, fence, deadline_at, next_run_at)
      select gen_random_uuid(), 'thing', 1, gen_random_uuid(), 'RUNNING', ${prepared.step}, '{"note": ""}', k #>> '{}', 1, now() + interval '1 hour',
        now() - interval '1 hour' + n * interval '1 millisecond'
      from jsonb_array_elements(${db.sql.json(keys)}) with ordinality as t(k, n)`;
  };

  test("gives each key a turn before any gets a second one", async () => {
    await due("a", "a", "a", "a", "a", "b", "c", "");
    expect(await claim({ limit: 4 })).toEqual(["", "a", "b", "c"]);
    expect(await claim({ limit: 4 })).toEqual(["a", "a", "a"]);
  });

  test("takes no more of a key than its limit allows with what is held", async () => {
    await due("a", "a", "a", "b");
    expect(await claim({ heldByKey: new Map([["a", 2]]) })).toEqual(["a", "b"]);
    expect(await claim({ heldByKey: new Map([["a", 3]]) })).toEqual([]);
  });

  test("finds the saga behind a backlog of a key at its limit, however long", async () => {
    await due(...Array.from({ length: 3_000 }, () => "a"), "b");
    expect(await claim({ heldByKey: new Map([["a", 3]]) })).toEqual(["b"]);
  });

  test("has no limit for sagas without a key", async () => {
    await due("", "", "", "", "");
    expect(await claim({ limit: 5, limitPerKey: 1 })).toHaveLength(5);
  });
});

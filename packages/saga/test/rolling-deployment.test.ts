import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import {
  createSagaEngine,
  postgresSagaStore,
  RetryableError,
  remote,
  type SagaDefinition,
  type SagaEngine,
} from "../src/index.ts";
import { begin, type Input, sagaDatabase, testEngine, thingSaga } from "./fixture.ts";

let db: Awaited<ReturnType<typeof sagaDatabase>>;
const engines = new Set<SagaEngine>();

beforeAll(async () => {
  db = await sagaDatabase();
});
afterEach(async () => {
  await Promise.all([...engines].map((engine) => engine.stop()));
  engines.clear();
  await db.sql`truncate sagas, workers, things`;
});
afterAll(() => db[Symbol.asyncDispose]());

/** A replica, and how often it has looked for due sagas. */
async function replica(
  ...definitions: readonly [SagaDefinition<Input>, ...SagaDefinition<Input>[]]
) {
  const store = postgresSagaStore(db.sql);
  const polls = vi.spyOn(store, "claimDue");
  const engine = testEngine(db.sql, definitions[0], { definitions, store, pollMs: 20 });
  engines.add(engine);
  await engine.start();
  return {
    engine,
    /** After this, it has seen every saga that was due before. */
    async polled() {
      const before = polls.mock.calls.length;
      await vi.waitFor(() => expect(polls.mock.calls.length).toBeGreaterThan(before + 10), {
        timeout: 10_000,
      });
    },
    async stop() {
      engines.delete(engine);
      await engine.stop();
    },
  };
}

const state = async (id: string) => {
  const saga = await db.saga(id);
  return saga && `${saga.state} ${saga.step} v${saga.version}`;
};
const becomes = (id: string, expected: string) =>
  vi.waitFor(async () => expect(await state(id)).toBe(expected), { timeout: 10_000 });

/** The same list with one more step, before the last. */
const withStep = (definition: SagaDefinition<Input>, run: () => Promise<void>) => {
  const [first, second, last] = definition.steps;
  if (second === undefined || last === undefined) throw new Error("the test saga has three steps");
  const steps = [first, second, remote<Input>({ name: "check", run }), last] as const;
  return { ...definition, steps };
};
const failing = async (): Promise<void> => {
  throw new RetryableError("not now");
};

test("a version is raised: each replica continues the sagas that it knows, and no other", async () => {
  const v1 = thingSaga(db.sql);
  const v2 = { ...withStep(v1, async () => {}), version: 2 };
  const old = await replica(v1);
  const [first, second] = [
    await begin(db.sql, testEngine(db.sql, v1), v1),
    // Begun by a new replica that is gone before it worked on it.
    await begin(db.sql, testEngine(db.sql, v2), v2),
  ];
  await becomes(first.saga, "COMPLETED finish v1");
  await old.polled();
  expect(await db.saga(second.saga)).toMatchObject({ state: "RUNNING", attempt: 0, owner: null });
  await old.stop();
  // The last of the old sagas, which no old replica is left to finish.
  const third = await begin(db.sql, testEngine(db.sql, v1), v1);
  await replica(v2, v1);
  await becomes(second.saga, "COMPLETED finish v2");
  await becomes(third.saga, "COMPLETED finish v1");
  const ran = async (id: string) => (await db.saga(id))?.events.map(({ step }) => step);
  expect(await ran(second.saga)).toEqual(["make", "call", "check", "finish"]);
  expect(await ran(third.saga)).toEqual(["make", "call", "finish"]);
});

test("an old replica leaves a saga at a step that it does not know alone, and does not park it", async () => {
  const before = thingSaga(db.sql);
  let run = failing;
  const after = withStep(before, () => run());
  const fresh = await replica(after);
  const { saga } = await begin(db.sql, fresh.engine, after);
  await becomes(saga, "RUNNING check v1");
  await fresh.stop();
  // What a stopped worker leaves is due at once.
  const left = await db.saga(saga);
  const old = await replica(before);
  const other = await begin(db.sql, old.engine, before);
  await becomes(other.saga, "COMPLETED finish v1");
  await old.polled();
  expect(await db.saga(saga)).toEqual(left);
  run = async () => {};
  await replica(after);
  await becomes(saga, "COMPLETED finish v1");
});

test("two steps of one name, or two definitions of one version, are refused", () => {
  const definition = thingSaga(db.sql);
  const create = (...definitions: readonly SagaDefinition<Input>[]) =>
    createSagaEngine({ store: postgresSagaStore(db.sql), definitions });
  expect(() => create(definition, { ...definition, version: 2 })).not.toThrow();
  expect(() => create(definition, definition)).toThrow(
    "thing version 1, step make is defined twice: rename one of them",
  );
});

import { describe, expect, test, vi } from "vitest";
import {
  compensateNow,
  postgresSagaStore,
  RefusedError,
  RetryableError,
  remote,
  type SagaDefinition,
  TerminalError,
  UnknownOutcomeError,
} from "../src/index.ts";
import {
  begin,
  gate,
  type Input,
  recorder,
  sagaTests,
  type ThingOptions,
  testEngine,
  thingSaga,
} from "./fixture.ts";

const { db, engines, started } = sagaTests();

/** Starts an engine and one saga on it. */
async function run(options: ThingOptions, engineOptions = {}) {
  const definition = thingSaga(db.sql, options);
  const engine = await started(definition, engineOptions);
  return { ...(await begin(db.sql, engine, definition)), definition, engine };
}

/** With a remote step that needs no undo before the one that does. */
function checkedSaga(
  options: ThingOptions,
  check: () => Promise<void> = async () => {},
): SagaDefinition<Input> {
  const { steps, ...definition } = thingSaga(db.sql, options);
  const [make, ...others] = steps;
  return { ...definition, steps: [make, remote({ name: "check", run: check }), ...others] };
}

const hangAfter = (called: { resolve(): void }) => () => {
  called.resolve();
  return new Promise<never>(() => {});
};

const until = (saga: string, state: string) =>
  vi.waitFor(async () => expect((await db.saga(saga))?.state).toBe(state), {
    timeout: 10_000,
    interval: 20,
  });

const outcomes = async (saga: string) =>
  (await db.saga(saga))?.events.map((e) => `${e.step} ${e.action} ${e.outcome} ${e.attempt}`);

describe("going forward", () => {
  test("runs the steps and finishes the thing", async () => {
    const { saga, thing } = await run({});
    await until(saga, "COMPLETED");
    expect(await db.status(thing)).toBe("FINISHED");
    expect(await outcomes(saga)).toEqual([
      "make RUN SUCCEEDED 1",
      "call RUN SUCCEEDED 1",
      "finish RUN SUCCEEDED 1",
    ]);
  });

  test("commits twice: once to begin, once to finish", async () => {
    await db.sql`create table commits (saga uuid, xid xid8)`;
    await db.sql.unsafe(`
      create function note() returns trigger language plpgsql as $$
        begin insert into commits values (new.id, pg_current_xact_id()); return new; end $$;
      create trigger note after insert or update on sagas for each row execute function note()`);
    const { saga } = await run({});
    await until(saga, "COMPLETED");
    expect(await db.sql`select distinct xid from commits where saga = ${saga}`).toHaveLength(2);
    await db.sql.unsafe("drop trigger note on sagas; drop function note; drop table commits");
  });

  test("retries a retryable failure with the same key, and counts attempts in the database", async () => {
    const keys: string[] = [];
    const { saga } = await run({
      run: async ({ key, attempt }) => {
        keys.push(key);
        if (attempt < 3) throw new RetryableError("not now");
      },
    });
    await until(saga, "COMPLETED");
    expect(new Set(keys).size).toBe(1);
    expect(await outcomes(saga)).toEqual([
      "make RUN SUCCEEDED 1",
      "call RUN RETRY_SCHEDULED 1",
      "call RUN RETRY_SCHEDULED 2",
      "call RUN SUCCEEDED 3",
      "finish RUN SUCCEEDED 1",
    ]);
  });

  test("a call that times out has an unknown outcome and is retried", async () => {
    const { saga } = await run(
      { run: ({ attempt }) => (attempt === 1 ? new Promise(() => {}) : Promise.resolve()) },
      { stepTimeoutMs: 100 },
    );
    await until(saga, "COMPLETED");
    expect(await outcomes(saga)).toContain("call RUN UNKNOWN 1");
  });
});

describe("compensating", () => {
  test("a step that failed for good is not undone", async () => {
    const undo = vi.fn(async () => {});
    const { saga, thing } = await run({
      run: () => Promise.reject(new TerminalError("DECLINED", "no")),
      undo,
    });
    await until(saga, "COMPENSATED");
    expect(undo).not.toHaveBeenCalled();
    expect(await db.status(thing)).toBe("UNDONE");
    expect((await db.saga(saga))?.failure).toEqual({ reason: "DECLINED", message: "no" });
  });

  test("a refusal that says nothing about earlier attempts has them undone", async () => {
    const undo = vi.fn(async () => {});
    const repeated: boolean[] = [];
    const { saga, thing } = await run({
      run: async (call) => {
        repeated.push(call.repeated);
        throw call.repeated
          ? new RefusedError("REFUSED", "no longer")
          : new UnknownOutcomeError("silence");
      },
      undo,
    });
    await until(saga, "COMPENSATED");
    expect(repeated).toEqual([false, true]);
    expect(undo).toHaveBeenCalledOnce();
    expect(await db.status(thing)).toBe("UNDONE");
    expect((await db.saga(saga))?.failure).toEqual({ reason: "REFUSED", message: "no longer" });
  });

  test("the steps before a refused step are undone, once it is stored that the saga compensates", async () => {
    const states: (string | undefined)[] = [];
    const { saga, thing } = await run({
      refuse: () => ({ reason: "SOLD_OUT", message: "none left" }),
      undo: async ({ subject }) => {
        states.push(await db.status(subject));
      },
    });
    await until(saga, "COMPENSATED");
    expect(states).toEqual(["COMPENSATING"]);
    expect(await db.status(thing)).toBe("UNDONE");
    expect(await outcomes(saga)).toEqual([
      "make RUN SUCCEEDED 1",
      "call RUN SUCCEEDED 1",
      "finish RUN FAILED 1",
      "call UNDO SUCCEEDED 1",
      "make UNDO SUCCEEDED 1",
    ]);
  });

  test("a saga past its deadline undoes the step whose outcome is unknown", async () => {
    const undo = vi.fn(async () => {});
    const { saga } = await run({
      run: () => Promise.reject(new UnknownOutcomeError("silence")),
      undo,
      deadlineMs: 300,
    });
    await until(saga, "COMPENSATED");
    expect(undo).toHaveBeenCalledOnce();
    expect((await db.saga(saga))?.failure?.reason).toBe("TOO_LATE");
  });

  test("an undo that fails is retried with one key of its own", async () => {
    const keys: string[] = [];
    const { saga } = await run({
      refuse: () => ({ reason: "SOLD_OUT", message: "none left" }),
      run: async ({ key }) => void keys.push(key),
      undo: async ({ key, attempt }) => {
        keys.push(key);
        if (attempt < 3) throw new UnknownOutcomeError("silence");
      },
    });
    await until(saga, "COMPENSATED");
    expect(keys).toHaveLength(4);
    expect(new Set(keys).size).toBe(2);
  });

  test("a saga whose undo fails until the budget is spent is parked, and its thing shows it", async () => {
    const { seen, observer } = recorder();
    const { saga, thing } = await run(
      {
        refuse: () => ({ reason: "SOLD_OUT", message: "none left" }),
        undo: () => Promise.reject(new UnknownOutcomeError("silence")),
        compensationBudgetMs: 300,
      },
      { observer },
    );
    await until(saga, "NEEDS_ATTENTION");
    expect(await db.status(thing)).toBe("NEEDS_ATTENTION");
    expect((await db.saga(saga))?.resumeState).toBe("COMPENSATING");
    expect(seen).toEqual(["parked"]);
  });
});

describe("when a worker is gone", () => {
  /**
   * The worker is frozen: it renews no lease and claims nothing, and its call hangs until the test
   * thaws it.
   */
  const frozen = { heartbeatMs: 3_600_000, pollMs: 3_600_000, stepTimeoutMs: 3_600_000 };

  test("another takes its saga over, finishes it, and refuses its late write", async () => {
    const thaw = gate();
    const called = gate();
    const { seen, observer } = recorder();
    const { saga } = await run(
      {
        run: () => {
          called.resolve();
          return thaw.promise;
        },
      },
      { ...frozen, observer },
    );
    await called.promise;
    const other = recorder();
    const definition = thingSaga(db.sql);
    await started(definition, { observer: other.observer });
    await until(saga, "COMPLETED");
    thaw.resolve();
    await vi.waitFor(() => expect(seen).toEqual(["fenced"]));
    expect(other.seen).toEqual(["taken over"]);
    expect(await outcomes(saga)).toEqual([
      "make RUN SUCCEEDED 1",
      "call RUN STARTED 1",
      "call RUN SUCCEEDED 1",
      "finish RUN SUCCEEDED 1",
    ]);
  });

  test("what it was doing is undone, also if a step without an undo came before", async () => {
    const called = gate();
    const undo = vi.fn(async () => {});
    const definition = checkedSaga({ deadlineMs: 300, run: hangAfter(called) });
    const { saga } = await begin(db.sql, await started(definition, frozen), definition);
    await called.promise;
    await started(checkedSaga({ undo }));
    await until(saga, "COMPENSATED");
    expect(undo).toHaveBeenCalledOnce();
  });

  test("a living worker's saga is left alone", async () => {
    const thaw = gate();
    const { saga } = await run({ run: () => thaw.promise });
    const { seen, observer } = recorder();
    const store = postgresSagaStore(db.sql);
    const polls = vi.spyOn(store, "claimDue");
    await started(thingSaga(db.sql), { observer, store, pollMs: 20 });
    // Twice the lease: a worker that did not renew it would have lost its saga by now.
    await vi.waitFor(() => expect(polls.mock.calls.length).toBeGreaterThan(50), {
      timeout: 10_000,
    });
    expect(seen).toEqual([]);
    thaw.resolve();
    await until(saga, "COMPLETED");
  });

  test("a worker that was away itself gives others a lease to be seen again", async () => {
    const thaw = gate();
    const { saga } = await run({ run: () => thaw.promise });
    const { seen, observer } = recorder();
    const store = postgresSagaStore(db.sql);
    const claims = vi.spyOn(store, "claimDue");
    // The database stands still for this worker, for longer than a lease.
    const away = gate();
    let isAway = false;
    const heartbeat: typeof store.heartbeat = async (worker) => {
      if (isAway) await away.promise;
      await postgresSagaStore(db.sql).heartbeat(worker);
    };
    const leases = { leaseMs: 2_000, heartbeatMs: 50, pollMs: 20 };
    await started(thingSaga(db.sql), { observer, store: { ...store, heartbeat }, ...leases });
    isAway = true;
    const spared = () => claims.mock.calls.filter(([claim]) => claim.sparing).length;
    await vi.waitFor(() => expect(spared()).toBeGreaterThan(0), { timeout: 10_000 });
    // As if the other had been away as well.
    const [owner] = await db.sql<{ id: string }[]>`select owner as id from sagas`;
    await db.sql`update workers set seen_at = now() - interval '1 hour' where id = ${owner?.id ?? ""}`;
    const before = spared();
    await vi.waitFor(() => expect(spared()).toBeGreaterThan(before + 3), { timeout: 10_000 });
    expect(seen).toEqual([]);
    isAway = false;
    away.resolve();
    await vi.waitFor(() => expect(claims.mock.lastCall?.[0].sparing).toBe(false), {
      timeout: 10_000,
    });
    expect(seen).toEqual([]);
    thaw.resolve();
    await until(saga, "COMPLETED");
  });

  /** No lease ends during a test. */
  const longLease = { leaseMs: 3_600_000, heartbeatMs: 50 };

  test("the next life of its instance takes its sagas back at once, under a new fence", async () => {
    const thaw = gate();
    const called = gate();
    const { seen, observer } = recorder();
    const run1 = await run(
      {
        run: () => {
          called.resolve();
          return thaw.promise;
        },
      },
      { ...frozen, leaseMs: 3_600_000, instance: "pod-1", observer },
    );
    await called.promise;
    const before = (await db.saga(run1.saga))?.fence ?? 0n;
    const other = recorder();
    const another = { ...longLease, instance: "pod-2", observer: other.observer };
    await started(thingSaga(db.sql), another);
    await started(thingSaga(db.sql), { ...longLease, instance: "pod-1", pollMs: 3_600_000 });
    await until(run1.saga, "COMPLETED");
    expect((await db.saga(run1.saga))?.fence).toBe(before + 1n);
    thaw.resolve();
    await vi.waitFor(() => expect(seen).toEqual(["fenced"]));
  });

  test("two living workers with the same instance: one loses what it held, and both go on", async () => {
    const thaw = gate();
    const called = gate();
    const { seen, observer } = recorder();
    const definition = thingSaga(db.sql, {
      run: () => {
        called.resolve();
        return thaw.promise;
      },
    });
    const mistaken = { ...longLease, instance: "pod-1" };
    const first = await started(definition, { ...mistaken, observer });
    const { saga } = await begin(db.sql, first, definition);
    await called.promise;
    const second = await started(thingSaga(db.sql), mistaken);
    await until(saga, "COMPLETED");
    thaw.resolve();
    await vi.waitFor(() => expect(seen).toEqual(["fenced"]));
    // The first is seen again, and keeps what it begins from now on.
    await vi.waitFor(async () =>
      expect(
        await db.sql`select from workers where id in (${first.worker.id}, ${second.worker.id})`,
      ).toHaveLength(2),
    );
    const later = await begin(db.sql, first, definition);
    await until(later.saga, "COMPLETED");
    expect((await db.saga(later.saga))?.fence).toBe(1n);
    expect(seen).toEqual(["fenced"]);
  });

  test("a worker that stops releases its sagas at once", async () => {
    const aborted = ({ signal }: { signal: AbortSignal }) =>
      new Promise<void>((_, reject) =>
        signal.addEventListener("abort", () => reject(new UnknownOutcomeError("stopped"))),
      );
    const first = await run({ run: aborted }, { stopGraceMs: 100 });
    await started(thingSaga(db.sql), { leaseMs: 3_600_000 });
    await first.engine.stop();
    await until(first.saga, "COMPLETED");
    expect(await db.sql`select from workers where id = ${first.engine.worker.id}`).toHaveLength(0);
  });

  describe.each([
    "before the call",
    "after the call",
    "before the undo",
    "after the undo",
  ] as const)("killed %s", (failAt) => {
    test("another worker brings the saga to the same end", async () => {
      const refused = failAt.endsWith("undo")
        ? { reason: "SOLD_OUT", message: "none left" }
        : undefined;
      const refuse = () => refused;
      const effects = new Set<string>();
      const reached = gate();
      const die = () => {
        reached.resolve();
        return new Promise<never>(() => {});
      };
      const step =
        (name: string) =>
        async ({ key }: { key: string }) => {
          if (failAt === `before the ${name}`) await die();
          effects.add(`${name} ${key}`);
          if (failAt === `after the ${name}`) await die();
        };
      const { saga, thing } = await run({ refuse, run: step("call"), undo: step("undo") }, frozen);
      engines.splice(0);
      await reached.promise;
      const survive =
        (name: string) =>
        async ({ key }: { key: string }) =>
          void effects.add(`${name} ${key}`);
      await started(thingSaga(db.sql, { refuse, run: survive("call"), undo: survive("undo") }));
      await until(saga, refused === undefined ? "COMPLETED" : "COMPENSATED");
      expect(await db.status(thing)).toBe(refused === undefined ? "FINISHED" : "UNDONE");
      // The key is the same each time: the receiver sees one effect.
      expect(effects.size).toBe(refused === undefined ? 1 : 2);
    });
  });
});

describe("defects", () => {
  test("a saga with a corrupt input is parked after a few tries, and others go on", async () => {
    const definition = thingSaga(db.sql);
    const engine = await started(definition);
    const poisoned = await begin(db.sql, engine, definition, { note: 1 });
    const sound = await begin(db.sql, engine, definition);
    await until(sound.saga, "COMPLETED");
    await until(poisoned.saga, "NEEDS_ATTENTION");
    expect((await db.saga(poisoned.saga))?.lastError).toMatch(/no note/);
  });

  test("a saga whose own statement the database refuses is parked after a few tries", async () => {
    const { saga } = await run({
      refuse: async () => {
        await db.sql`select 'five'::int`;
        return undefined;
      },
    });
    await until(saga, "NEEDS_ATTENTION");
    expect((await db.saga(saga))?.lastError).toContain("invalid input syntax");
  });

  test("a saga of a version that this code does not know is left alone", async () => {
    const definition = thingSaga(db.sql);
    const engine = await started(definition);
    const { saga } = await begin(db.sql, testEngine(db.sql, definition), {
      ...definition,
      version: 2,
    });
    const later = await begin(db.sql, engine, definition);
    await until(later.saga, "COMPLETED");
    expect(await db.saga(saga)).toMatchObject({ state: "RUNNING", owner: null, fence: 1n });
  });
});

test("an operator who read the saga before its last move compensates it from where it is", async () => {
  const [checked, called] = [gate(), gate()];
  const undo = vi.fn(async () => {});
  const definition = checkedSaga({ run: hangAfter(called), undo }, () => checked.promise);
  const engine = await started(definition);
  const { saga } = await begin(db.sql, engine, definition);
  const read = await db.saga(saga);
  checked.resolve();
  await called.promise;
  const author = { worker: engine.worker, principal: "olivia" };
  const move = read && compensateNow(read, definition, definition.deadlineFailure, author);
  await postgresSagaStore(db.sql).move(move === undefined ? [] : [move]);
  await until(saga, "COMPENSATED");
  expect(undo).toHaveBeenCalledOnce();
});

test("a saga that begins while its own worker polls is driven once", async () => {
  const calls = vi.fn(() => new Promise<void>((resolve) => setImmediate(resolve)));
  const definition = thingSaga(db.sql, { run: calls });
  const store = postgresSagaStore(db.sql);
  const begunMeanwhile: string[] = [];
  const { seen, observer } = recorder();
  // One more saga begins after the worker listed what it holds, and before the statement.
  const claimDue: typeof store.claimDue = async (claim) => {
    begunMeanwhile.push((await begin(db.sql, engine, definition)).saga);
    return store.claimDue(claim);
  };
  const engine = testEngine(db.sql, definition, {
    store: { ...store, claimDue },
    observer,
    pollMs: 20,
  });
  engines.push(engine);
  await engine.start();
  await vi.waitFor(() => expect(begunMeanwhile.length).toBeGreaterThan(5));
  await engine.stop();
  for (const saga of begunMeanwhile) await until(saga, "COMPLETED");
  expect(calls).toHaveBeenCalledTimes(begunMeanwhile.length);
  expect(seen).toEqual([]);
});

test("nothing is lost while the database is not available", async () => {
  const store = postgresSagaStore(db.sql);
  let down = true;
  const definition = thingSaga(db.sql, {
    run: ({ attempt }) =>
      attempt === 1 ? Promise.reject(new RetryableError("not now")) : Promise.resolve(),
  });
  const flaky = {
    ...store,
    move: (moves: Parameters<typeof store.move>[0]) =>
      down ? Promise.reject(new Error("down")) : store.move(moves),
  };
  const errors = vi.fn();
  const engine = await started(definition, { store: flaky, observer: { onEngineError: errors } });
  const { saga } = await begin(db.sql, engine, definition);
  await vi.waitFor(() => expect(errors.mock.calls.length).toBeGreaterThan(2));
  down = false;
  await until(saga, "COMPLETED");
});

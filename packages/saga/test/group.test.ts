import { expect, test, vi } from "vitest";
import {
  type ApplyMoves,
  type Move,
  type MoveResult,
  type SagaDefinition,
  systemClock,
} from "../src/index.ts";
import { begin, gate, type Input, recorder, sagaTests, thingSaga } from "./fixture.ts";

const NEIGHBOURS = 8;

const { db, started } = sagaTests();

/** The thing saga, with another last step around its own. */
function finishing(
  run: () => Promise<void>,
  wrap: (moves: readonly Move[], finish: ApplyMoves) => ReturnType<ApplyMoves>,
) {
  const definition = thingSaga(db.sql, { run });
  const steps = definition.steps.map((step) =>
    step.kind === "local"
      ? { ...step, run: (moves: readonly Move[]) => wrap(moves, step.run) }
      : step,
  ) as unknown as SagaDefinition<Input>["steps"];
  return { ...definition, steps };
}

/**
 * Holds the first statement of the last step back until all others wait for it, and records how
 * many moves each statement has.
 */
async function together(
  wrap: (moves: readonly Move[], finish: ApplyMoves) => ReturnType<ApplyMoves>,
  options = {},
) {
  const sizes: number[] = [];
  const held = gate();
  const release = gate();
  let called = 0;
  const call = async () => void called++;
  const definition = finishing(call, async (moves, finish) => {
    sizes.push(moves.length);
    if (sizes.length === 1) {
      held.resolve();
      await release.promise;
    }
    return wrap(moves, finish);
  });
  const engine = await started(definition, {
    // Time stands still for the hold: a slow statement does not let the others go.
    clock: { ...systemClock, after: () => () => {} },
    ...options,
  });
  const first = await begin(db.sql, engine, definition);
  await held.promise;
  const others = await Promise.all(
    Array.from({ length: NEIGHBOURS }, () => begin(db.sql, engine, definition)),
  );
  // The last step comes in the same turn of the event loop as the end of the one before.
  await vi.waitFor(() => expect(called).toBe(1 + NEIGHBOURS));
  return { sizes, release: () => release.resolve(), first, others };
}

const states = async (ids: readonly { readonly saga: string }[]) =>
  await Promise.all(ids.map(async ({ saga }) => (await db.saga(saga))?.state));

const until = (ids: readonly { readonly saga: string }[], state: string) =>
  vi.waitFor(async () => expect(new Set(await states(ids))).toEqual(new Set([state])), {
    timeout: 10_000,
    interval: 20,
  });

test("transitions that wait while a statement is in flight go together as one", async () => {
  const { sizes, release, first, others } = await together((moves, finish) => finish(moves));
  release();
  await until([first, ...others], "COMPLETED");
  expect(sizes).toEqual([1, NEIGHBOURS]);
});

test("a saga that was lost to another worker stops; its neighbours in the statement go on", async () => {
  const { seen, observer } = recorder();
  const { sizes, release, others } = await together((moves, finish) => finish(moves), { observer });
  const [lost, ...neighbours] = others;
  await db.sql`update sagas set fence = fence + 1, owner = gen_random_uuid(), next_run_at = now() + interval '1 hour' where id = ${lost?.saga ?? ""}`;
  release();
  await until(neighbours, "COMPLETED");
  expect(sizes).toEqual([1, NEIGHBOURS]);
  expect(seen).toEqual(["fenced"]);
  expect(await db.status(lost?.thing ?? "")).toBe("MADE");
});

test("a row that the database refuses fails alone, and only its saga is parked", async () => {
  const { sizes, release, others } = await together((moves, finish) => finish(moves));
  const [bad, ...neighbours] = others;
  await db.sql.unsafe(`
    create function refuse() returns trigger language plpgsql as $$ begin raise exception 'refused'; end $$;
    create trigger refuse before update on things for each row when (new.id = '${bad?.thing}' and new.status = 'FINISHED') execute function refuse()`);
  release();
  await until(neighbours, "COMPLETED");
  // The group, then each by itself.
  expect(sizes.slice(0, 2 + NEIGHBOURS)).toEqual([1, NEIGHBOURS, ...Array(NEIGHBOURS).fill(1)]);
  await until(bad === undefined ? [] : [bad], "NEEDS_ATTENTION");
  await db.sql.unsafe("drop trigger refuse on things; drop function refuse");
});

test("a move that is refused among others is tried alone before its saga compensates", async () => {
  const refusal = { reason: "SOLD_OUT", message: "none left" };
  const alone: string[] = [];
  const { release, others } = await together(async (moves, finish) => {
    const [first] = moves;
    if (moves.length === 1 && first !== undefined) {
      alone.push(first.sagaId);
      return await finish(moves);
    }
    const results = await finish(moves.slice(1));
    const refused: MoveResult = {
      sagaId: first?.sagaId ?? "",
      moved: false,
      refused: refusal,
    };
    return [refused, ...results];
  });
  release();
  await until(others, "COMPLETED");
  expect(alone).toHaveLength(2);
});

test("when the reply to a group is lost, every saga of it is taken up again as it is stored", async () => {
  let lost = false;
  const { release, first, others } = await together(async (moves, finish) => {
    const results = await finish(moves);
    if (moves.length === 1 || lost) return results;
    lost = true;
    throw new Error("the connection was lost");
  });
  release();
  await until([first, ...others], "COMPLETED");
  expect(lost).toBe(true);
});

import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { type Applicant, ConcurrencyLimit, type Leave } from "./concurrency-limit.ts";

const LATE = 25;
const VERY_LATE = 250;
const IN_TIME = 0;
let limit: ConcurrencyLimit;
beforeEach(() => {
  vi.useFakeTimers();
  limit = new ConcurrencyLimit({ initial: 8, min: 2, max: 16 });
});
afterEach(() => void vi.useRealTimers());

const call = (caller: string, more: Partial<Applicant> = {}) => {
  const started: Leave[] = [];
  const applicant = { caller, anonymous: false, leftMs: undefined, ...more };
  const outcome = limit.apply(applicant, (leave) => started.push(leave));
  return {
    get state() {
      if (started.length > 0) return "working";
      return outcome === "refused" ? "refused" : "queued";
    },
    leave: () => started[0]?.(),
    abandon: () => {
      if (typeof outcome === "function") outcome();
    },
  };
};
const fill = (calls: number) => Array.from({ length: calls }, (_, n) => call(`caller ${n}`));

test("calls above the limit wait their turn, and the next ones are refused at once", () => {
  const working = fill(8);
  const waiting = Array.from({ length: 8 }, (_, n) => call(`waiting ${n}`));
  expect(new Set(waiting.map(({ state }) => state))).toEqual(new Set(["queued"]));
  expect(call("late").state).toBe("refused");
  working[0]?.leave();
  expect(waiting.map(({ state }) => state).slice(0, 2)).toEqual(["working", "queued"]);
});

test("a call that cannot be served before its deadline is refused at once", () => {
  fill(8);
  expect(call("hurried", { leftMs: 1 }).state).toBe("refused");
  expect(call("patient", { leftMs: 5_000 }).state).toBe("queued");
});

test("a caller that leaves while it waits gives its turn to the next one", () => {
  const [first] = fill(8);
  const gone = call("gone");
  const next = call("next");
  gone.abandon();
  first?.leave();
  expect([gone.state, next.state]).toEqual(["queued", "working"]);
});

test("the limit falls below what works while work is late, and grows while it is not", () => {
  fill(5);
  limit.adapt(LATE);
  expect(limit.limit).toBe(8);
  limit.adapt(LATE);
  expect(limit.limit).toBe(4);
  for (let window = 0; window < 20; window++) limit.adapt(LATE);
  expect(limit.limit).toBe(2);
  for (let window = 0; window < 40; window++) limit.adapt(IN_TIME);
  // No further than is used.
  expect(limit.limit).toBe(10);
  fill(5);
  for (let window = 0; window < 40; window++) limit.adapt(IN_TIME);
  expect(limit.limit).toBe(16);
});

test("the limit stays while so few calls work that they are not why work is late", () => {
  fill(1);
  for (let window = 0; window < 20; window++) limit.adapt(VERY_LATE);
  expect(limit.limit).toBe(8);
});

test("the limit falls faster the later work is", () => {
  fill(8);
  for (let window = 0; window < 2; window++) limit.adapt(VERY_LATE);
  expect(limit.limit).toBe(4);
});

test("a call waits for its place no longer than a quarter of the time that calls take", () => {
  limit = new ConcurrencyLimit({ initial: 4, min: 4, max: 4 });
  for (let n = 0; n < 20; n++) {
    const [first] = fill(1);
    vi.advanceTimersByTime(400);
    first?.leave();
  }
  fill(4);
  expect(call("a quarter").state).toBe("queued");
  expect(call("half").state).toBe("refused");
});

test("one caller cannot take the places of all, nor callers without a token those of others", () => {
  const greedy = Array.from({ length: 20 }, () => call("greedy"));
  expect(greedy.filter(({ state }) => state === "working")).toHaveLength(4);
  expect(call("other").state).toBe("working");
  const anonymous = Array.from({ length: 5 }, (_, n) => call(`address ${n}`, { anonymous: true }));
  expect(anonymous.map(({ state }) => state)).toContain("refused");
  expect(call("known").state).toBe("working");
});

test("a call that waits for something else keeps its place for half a second", () => {
  limit = new ConcurrencyLimit({ initial: 8, min: 2, max: 8 });
  fill(8);
  const next = call("next");
  vi.advanceTimersByTime(499);
  limit.adapt(IN_TIME);
  expect(next.state).toBe("queued");
  vi.advanceTimersByTime(1);
  limit.adapt(IN_TIME);
  expect(next.state).toBe("working");
});

test("while work is late, a call keeps its place until it is not", () => {
  fill(8);
  const next = call("next");
  limit.adapt(LATE);
  vi.advanceTimersByTime(5_000);
  limit.adapt(LATE);
  expect(next.state).toBe("queued");
  limit.adapt(IN_TIME);
  expect(next.state).toBe("working");
});

test("how long calls waited for something else does not count as how long they work", () => {
  fill(8);
  limit.adapt(LATE);
  vi.advanceTimersByTime(60_000);
  limit.adapt(IN_TIME);
  fill(limit.limit + 1);
  expect(call("next", { leftMs: 2_000 }).state).toBe("queued");
});

test("a call that has ended gives its place back once, however late work was", () => {
  const working = fill(8);
  limit.adapt(LATE);
  vi.advanceTimersByTime(500);
  working[0]?.leave();
  expect(call("a").state).toBe("working");
  expect(call("b").state).toBe("queued");
  limit.adapt(IN_TIME);
  for (const each of working) each.leave();
  expect(fill(7).map(({ state }) => state)).toEqual(Array(7).fill("working"));
  expect(call("c").state).toBe("queued");
});

test("calls that must not be refused are counted, and never wait", () => {
  const leave = Array.from({ length: 20 }, () => limit.enter("service"));
  expect(call("other").state).toBe("queued");
  for (const each of leave) each();
  expect(call("another").state).toBe("working");
});

test("a limit that is not used returns to where it began", () => {
  const calls = fill(8);
  for (let window = 0; window < 20; window++) limit.adapt(IN_TIME);
  expect(limit.limit).toBe(16);
  for (const each of calls) each.leave();
  for (let window = 0; window < 20; window++) limit.adapt(IN_TIME);
  expect(limit.limit).toBe(8);
});

test("it rests while no call works or waits, and the limit is where it began", () => {
  expect(limit.isResting).toBe(true);
  const calls = fill(8);
  expect(limit.isResting).toBe(false);
  limit.adapt(IN_TIME);
  for (const each of calls) each.leave();
  expect(limit.isResting).toBe(false);
  for (let window = 0; window < 3; window++) limit.adapt(IN_TIME);
  expect(limit.isResting).toBe(true);
  limit.adapt(LATE);
  expect(limit.isResting).toBe(false);
  limit.adapt(IN_TIME);
  expect(limit.isResting).toBe(true);
});

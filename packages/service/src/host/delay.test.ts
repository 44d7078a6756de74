import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { watchDelay } from "./delay.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

let isResting = false;
let backlogMs = 0;
const reports: number[] = [];
beforeEach(() => {
  isResting = false;
  backlogMs = 0;
  reports.length = 0;
});
const watch = () =>
  watchDelay({
    backlogMs: () => backlogMs,
    report: (delayMs) => void reports.push(delayMs),
    isResting: () => isResting,
  });

test("reports the delay of each window from the first call on", () => {
  using delay = watch();
  vi.advanceTimersByTime(1_000);
  expect(reports).toEqual([]);
  delay.wake();
  vi.advanceTimersByTime(200);
  backlogMs = 40;
  delay.wake();
  vi.advanceTimersByTime(200);
  expect(reports).toEqual([0, 40]);
});

test("a process that rests is not woken, until there is work again", () => {
  using delay = watch();
  delay.wake();
  isResting = true;
  vi.advanceTimersByTime(200);
  expect([reports, vi.getTimerCount()]).toEqual([[0], 0]);
  delay.wake();
  isResting = false;
  vi.advanceTimersByTime(400);
  expect([reports, vi.getTimerCount()]).toEqual([[0, 0, 0], 1]);
});

test("work that comes when all is over starts nothing", () => {
  const delay = watch();
  delay.wake();
  delay[Symbol.dispose]();
  delay.wake();
  expect(vi.getTimerCount()).toBe(0);
});

import { expect, test, vi } from "vitest";
import { runSweeper } from "./sweeper.ts";
import { createLogger } from "./telemetry/log.ts";

const log = createLogger({ name: "test", level: "silent" });

/** Runs a sweeper over this many rows until they are gone, and returns the size of each batch. */
async function batches(rows: number, fail = (_call: number) => {}): Promise<number[]> {
  const stop = new AbortController();
  const deleted: number[] = [];
  let calls = 0;
  const sweep = async (limit: number) => {
    fail(calls++);
    const count = Math.min(limit, rows);
    rows -= count;
    deleted.push(count);
    return count;
  };
  const swept = runSweeper({ sweep, log, intervalMs: 1 }, stop.signal);
  await vi.waitFor(() => expect(rows).toBe(0));
  stop.abort();
  await swept;
  return deleted;
}

test("deletes batch by batch until less than a batch is left, and stops when aborted", async () => {
  expect((await batches(1_200)).slice(0, 3)).toEqual([500, 500, 200]);
});

test("sweeps again after a failure", async () => {
  const failOnce = (call: number) => {
    if (call === 0) throw new Error("the database is down");
  };
  expect((await batches(10, failOnce))[0]).toBe(10);
});

test("does not start when the signal has aborted", async () => {
  const sweep = vi.fn();
  await runSweeper({ sweep, log, intervalMs: 1 }, AbortSignal.abort());
  expect(sweep).not.toHaveBeenCalled();
});

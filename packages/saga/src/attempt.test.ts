import { expect, test } from "vitest";
import { attempt } from "./attempt.ts";
import { systemClock } from "./clock.ts";
import { UnknownOutcomeError } from "./errors.ts";

const forever = () => new Promise<never>(() => {});
const context = (stopping: AbortSignal, stepTimeoutMs = 60_000) => ({
  clock: systemClock,
  stopping,
  stepTimeoutMs,
});

test("ends at its timeout although the step ignores its signal, and the outcome is unknown", async () => {
  let seen: AbortSignal | undefined;
  const call = (signal: AbortSignal) => {
    seen = signal;
    return forever();
  };
  const ended = attempt(context(new AbortController().signal, 5), "charge", call);
  await expect(ended).rejects.toThrow(
    new UnknownOutcomeError("charge did not respond within 5 ms"),
  );
  expect(seen?.aborted).toBe(true);
});

test.each([
  ["has stopped before", (stopping: AbortController) => stopping.abort()],
  ["stops meanwhile", (stopping: AbortController) => void setTimeout(() => stopping.abort(), 5)],
])("ends when the process %s", async (_name, stop) => {
  const stopping = new AbortController();
  stop(stopping);
  const ended = attempt(context(stopping.signal), "charge", forever);
  await expect(ended).rejects.toThrow(new UnknownOutcomeError("the process is stopping"));
});

test("resolves to the step's result, whose signal is not aborted afterwards", async () => {
  let seen: AbortSignal | undefined;
  const call = async (signal: AbortSignal) => {
    seen = signal;
    return 1;
  };
  expect(await attempt(context(new AbortController().signal), "charge", call)).toBe(1);
  expect(seen?.aborted).toBe(false);
});

import { inject, vi } from "vitest";

/** A wait for a condition ends as soon as it holds: only a failure pays for a longer limit. */
const LEAST_MS = 10_000;
const patched = Symbol.for("tercet.patient");

/**
 * Gives `vi.waitFor` and `vi.waitUntil` limits that suit the load of the machine, once per worker.
 */
function waitPatiently(wait: typeof vi & { [patched]?: true }): void {
  if (wait[patched]) return;
  wait[patched] = true;
  const { waitFor, waitUntil } = wait;
  wait.waitFor = (callback, options) => waitFor(callback, patient(options));
  wait.waitUntil = (callback, options) => waitUntil(callback, patient(options));
}

function patient(options: Parameters<typeof vi.waitFor>[1] = {}) {
  const given = typeof options === "number" ? { timeout: options } : options;
  return { ...given, timeout: Math.max(given.timeout ?? 0, LEAST_MS) * inject("timeFactor") };
}

waitPatiently(vi);

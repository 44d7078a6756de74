import { inject, vi } from "vitest";

/** Where a test names none. A wait ends as soon as its condition holds. */
const LIMIT_MS = 10_000;
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
  return { ...given, timeout: (given.timeout ?? LIMIT_MS) * inject("timeFactor") };
}

waitPatiently(vi);

import { deleteStale } from "./memory-sweep.ts";
import type { Sweep, ThrottlePolicy, ThrottleStore } from "./store.ts";

interface Failures {
  failures: number;
  lastTime: number;
  blockedUntil: number;
}

export function memoryThrottle(): ThrottleStore & { sweep(sweep: Sweep): number } {
  const accounts = new Map<string, Failures>();
  return {
    async admitLogin(account, policy) {
      const now = Date.now();
      const kept = accounts.get(account);
      if (kept && kept.blockedUntil > now) return kept.blockedUntil - now;
      const failures = kept && kept.lastTime > now - policy.window ? kept.failures + 1 : 1;
      accounts.set(account, {
        failures,
        lastTime: now,
        blockedUntil: now + delayAfter(failures, policy),
      });
      return 0;
    },
    async returnAttempt(account) {
      const kept = accounts.get(account);
      if (kept)
        accounts.set(account, {
          ...kept,
          failures: Math.max(kept.failures - 1, 0),
          blockedUntil: Date.now(),
        });
    },
    async forgetFailures(account) {
      accounts.delete(account);
    },
    sweep: ({ batch, failureAge }) =>
      deleteStale(
        accounts,
        batch,
        ({ lastTime, blockedUntil }) =>
          lastTime <= Date.now() - failureAge && blockedUntil <= Date.now(),
      ),
  };
}

const delayAfter = (failures: number, { free, firstDelay, maxDelay }: ThrottlePolicy): number =>
  failures < free ? 0 : Math.min(firstDelay * 2 ** (failures - free), maxDelay);

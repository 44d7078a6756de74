import { memorySessions } from "./memory-sessions.ts";
import { memoryThrottle } from "./memory-throttle.ts";
import { memoryUsers } from "./memory-users.ts";
import type { IdentityStore } from "./store.ts";

/**
 * Keeps everything in this process, for as long as it runs: for trying things out, with one
 * replica.
 */
export function memoryStore(): IdentityStore {
  const users = memoryUsers();
  const sessions = memorySessions((id) => users.findUser(id));
  const throttle = memoryThrottle();
  return {
    ...users,
    ...sessions,
    ...throttle,
    async sweep(sweep) {
      const gone = [users.sweep(sweep), sessions.sweep(sweep), throttle.sweep(sweep)];
      return gone.some((count) => count >= sweep.batch);
    },
    ping: async () => {},
    [Symbol.asyncDispose]: async () => {},
  };
}

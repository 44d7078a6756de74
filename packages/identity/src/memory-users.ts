import type { RequestRecord } from "@tercet/service";
import { emailTaken } from "./errors.ts";
import { deleteStale } from "./memory-sweep.ts";
import type { Sweep, UserStore } from "./store.ts";
import type { User } from "./user.ts";

/** No method waits between its first look and its last change, so each is atomic. */
export function memoryUsers(): UserStore & { sweep(sweep: Sweep): number } {
  const users = new Map<string, { user: User; passwordHash: string }>();
  const requests = new Map<string, { record: RequestRecord; createTime: number }>();
  const requestKey = (caller: string, requestId: string) => `${caller}/${requestId}`;
  const isRecorded = (request: RequestRecord) =>
    requests.has(requestKey(request.caller, request.requestId));
  const record = (request: RequestRecord) =>
    requests.set(requestKey(request.caller, request.requestId), {
      record: request,
      createTime: Date.now(),
    });
  const byEmail = (email: string) => [...users.values()].find(({ user }) => user.email === email);

  return {
    async createUser({ passwordHash, ...fields }, request) {
      if (isRecorded(request)) return undefined;
      if (byEmail(fields.email)) throw emailTaken();
      record(request);
      const user: User = { id: request.resourceId, ...fields, createTime: new Date() };
      users.set(user.id, { user, passwordHash });
      return user;
    },
    async setRoles(roles, request) {
      const kept = users.get(request.resourceId);
      if (kept === undefined || isRecorded(request)) return undefined;
      record(request);
      kept.user = { ...kept.user, roles };
      return kept.user;
    },
    findRequest: async (caller, requestId) => requests.get(requestKey(caller, requestId))?.record,
    findUser: async (id) => users.get(id)?.user,
    async findCredentials(email) {
      const kept = byEmail(email);
      return kept && { ...kept };
    },
    async replacePasswordHash(userId, from, to) {
      const kept = users.get(userId);
      if (kept?.passwordHash === from) kept.passwordHash = to;
    },
    async listUsers({ limit, before, emailPrefix }) {
      return [...users.values()]
        .map(({ user }) => user)
        .filter(
          ({ id, email }) => (before === undefined || id < before) && email.startsWith(emailPrefix),
        )
        .sort((a, b) => (a.id < b.id ? 1 : -1))
        .slice(0, limit);
    },
    sweep: ({ batch, requestAge }) =>
      deleteStale(requests, batch, ({ createTime }) => createTime <= Date.now() - requestAge),
  };
}

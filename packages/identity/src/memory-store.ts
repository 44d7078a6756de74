import type { RequestRecord } from "@tercet/service";
import { emailTaken } from "./errors.ts";
import {
  EXPIRY,
  type IdentityStore,
  type SessionStore,
  type ThrottlePolicy,
  type ThrottleStore,
  type UserStore,
} from "./store.ts";
import type { User } from "./user.ts";

/** Deletes at most `limit` stale entries and returns how many. */
type Delete = <V>(entries: Map<string, V>, isStale: (value: V) => boolean) => number;
interface Sweepable {
  sweep(deleteStale: Delete, expiry: typeof EXPIRY): number;
}

/** Keeps everything in this process for as long as it runs: for trying things out, one replica. */
export function memoryStore(): IdentityStore {
  const users = memoryUsers();
  const sessions = memorySessions((id) => users.findUser(id));
  const throttle = memoryThrottle();
  return {
    ...users,
    ...sessions,
    ...throttle,
    async sweep(limit, expiry = EXPIRY) {
      const deleteStale: Delete = (entries, isStale) => {
        const stale = [...entries].filter(([, value]) => isStale(value)).slice(0, limit);
        for (const [key] of stale) entries.delete(key);
        return stale.length;
      };
      return Math.max(
        ...[users, sessions, throttle].map((part) => part.sweep(deleteStale, expiry)),
      );
    },
    ping: async () => {},
    [Symbol.asyncDispose]: async () => {},
  };
}

/** No method awaits between its first read and its last change, so each is atomic. */
function memoryUsers(): UserStore & Sweepable {
  const users = new Map<string, { user: User; passwordHash: string }>();
  const requests = new Map<string, { record: RequestRecord; createTime: number }>();
  const keyOf = ({ caller, requestId }: Pick<RequestRecord, "caller" | "requestId">) =>
    `${caller}/${requestId}`;
  const isRecorded = (request: RequestRecord) => requests.has(keyOf(request));
  const record = (request: RequestRecord) =>
    requests.set(keyOf(request), { record: request, createTime: Date.now() });
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
    findRequest: async (caller, requestId) => requests.get(keyOf({ caller, requestId }))?.record,
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
    sweep: (deleteStale, { requestsAfterMs }) =>
      deleteStale(requests, ({ createTime }) => createTime <= Date.now() - requestsAfterMs),
  };
}

interface Session {
  readonly userId: string;
  readonly expireTime: number;
  readonly tokens: Map<string, { used?: { readonly time: number; readonly nonce: string } }>;
  revoked: boolean;
}

function memorySessions(
  findUser: (id: string) => Promise<User | undefined>,
): SessionStore & Sweepable {
  const sessions = new Map<string, Session>();
  const find = (hash: string) => {
    const session = [...sessions.values()].find(({ tokens }) => tokens.has(hash));
    const token = session?.tokens.get(hash);
    return (
      session &&
      token && { session, token, live: !session.revoked && session.expireTime > Date.now() }
    );
  };
  return {
    async createSession({ id, userId, tokenHash, lifetimeMs }) {
      const tokens = new Map([[tokenHash, {}]]);
      sessions.set(id, { userId, expireTime: Date.now() + lifetimeMs, tokens, revoked: false });
    },
    async rotateToken({ tokenHash, successorHash, nonce }) {
      const found = find(tokenHash);
      if (!found?.live || found.token.used) return undefined;
      found.token.used = { time: Date.now(), nonce };
      found.session.tokens.set(successorHash, {});
      return findUser(found.session.userId);
    },
    async traceToken(tokenHash, graceMs) {
      const found = find(tokenHash);
      if (!found?.live || !found.token.used) return { kind: "invalid" };
      const { session, token } = found;
      if (token.used && token.used.time > Date.now() - graceMs) {
        const user = await findUser(session.userId);
        return user ? { kind: "retried", nonce: token.used.nonce, user } : { kind: "invalid" };
      }
      session.revoked = true;
      return { kind: "reused", userId: session.userId };
    },
    async revokeSession(tokenHash) {
      const found = find(tokenHash);
      if (found === undefined || found.session.revoked) return undefined;
      found.session.revoked = true;
      return found.session.userId;
    },
    sweep: (deleteStale) => deleteStale(sessions, ({ expireTime }) => expireTime <= Date.now()),
  };
}

interface Failures {
  readonly failures: number;
  readonly lastTime: number;
  readonly blockedUntil: number;
}

function memoryThrottle(): ThrottleStore & Sweepable {
  const accounts = new Map<string, Failures>();
  return {
    async admitLogin(account, policy) {
      const now = Date.now();
      const kept = accounts.get(account);
      if (kept && kept.blockedUntil > now) return kept.blockedUntil - now;
      const failures = kept && kept.lastTime > now - policy.windowMs ? kept.failures + 1 : 1;
      const blockedUntil = now + delayMsAfter(failures, policy);
      accounts.set(account, { failures, lastTime: now, blockedUntil });
      return 0;
    },
    async returnAttempt(account) {
      const kept = accounts.get(account);
      if (kept === undefined) return;
      const failures = Math.max(kept.failures - 1, 0);
      accounts.set(account, { ...kept, failures, blockedUntil: Date.now() });
    },
    async forgetFailures(account) {
      accounts.delete(account);
    },
    sweep: (deleteStale, { failuresAfterMs }) =>
      deleteStale(accounts, ({ lastTime, blockedUntil }) => {
        const now = Date.now();
        return lastTime <= now - failuresAfterMs && blockedUntil <= now;
      }),
  };
}

const delayMsAfter = (failures: number, { free, firstDelayMs, maxDelayMs }: ThrottlePolicy) =>
  failures < free ? 0 : Math.min(firstDelayMs * 2 ** (failures - free), maxDelayMs);

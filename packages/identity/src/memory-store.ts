import type { RequestRecord } from "@tercet/service";
import { emailTaken } from "./errors.ts";
import {
  EXPIRY,
  type IdentityStore,
  type NewPasswordReset,
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
  const sessions = memorySessions(users.find);
  const throttle = memoryThrottle();
  return {
    ...users.store,
    ...sessions,
    ...throttle,
    async sweep(limit, expiry = EXPIRY) {
      const deleteStale: Delete = (entries, isStale) => {
        const stale = [...entries].filter(([, value]) => isStale(value)).slice(0, limit);
        for (const [key] of stale) entries.delete(key);
        return stale.length;
      };
      return Math.max(
        ...[users.store, sessions, throttle].map((part) => part.sweep(deleteStale, expiry)),
      );
    },
    ping: async () => {},
    [Symbol.asyncDispose]: async () => {},
  };
}

/** No method awaits between its first read and its last change, so each is atomic. */
function memoryUsers(): {
  readonly store: UserStore & Sweepable;
  find(id: string): MemoryUser | undefined;
} {
  const users = new Map<string, MemoryUser>();
  const requests = new Map<string, { record: RequestRecord; createTime: number }>();
  const keyOf = ({ caller, requestId }: Pick<RequestRecord, "caller" | "requestId">) =>
    `${caller}/${requestId}`;
  const isRecorded = (request: RequestRecord) => requests.has(keyOf(request));
  const record = (request: RequestRecord) =>
    requests.set(keyOf(request), { record: request, createTime: Date.now() });
  const byEmail = (email: string) => [...users.values()].find(({ user }) => user.email === email);
  const isAdmin = ({ user }: MemoryUser) => user.roles.includes("admin") && !user.disableTime;
  /** Changes the user unless no enabled admin would be left. */
  const change = (
    request: RequestRecord,
    changes: (user: User) => User,
    revokes = false,
  ): User | undefined => {
    const kept = users.get(request.resourceId);
    if (kept === undefined || isRecorded(request)) return undefined;
    const user = changes(kept.user);
    const others = [...users.values()].filter((one) => one !== kept && isAdmin(one));
    if (isAdmin(kept) && !isAdmin({ ...kept, user }) && others.length === 0) return undefined;
    record(request);
    kept.user = user;
    if (revokes) revokeSessions(kept);
    return user;
  };
  const openReset = (kept: MemoryUser, { tokenHash, lifetimeMs }: NewPasswordReset) => {
    kept.reset = { tokenHash, expireTime: Date.now() + lifetimeMs };
  };
  const byReset = (tokenHash: string) =>
    [...users.values()].find(
      ({ reset }) => reset?.tokenHash === tokenHash && reset.expireTime > Date.now(),
    );
  const store: UserStore & Sweepable = {
    async createUser({ passwordHash, ...fields }, request) {
      if (isRecorded(request)) return undefined;
      if (byEmail(fields.email)) throw emailTaken();
      record(request);
      const user: User = { id: request.resourceId, ...fields, createTime: new Date() };
      users.set(user.id, { user, passwordHash, sessionEpoch: 0 });
      return user;
    },
    setRoles: async (roles, request) => change(request, (user) => ({ ...user, roles })),
    disableUser: async (disableReason, request) =>
      change(request, (user) => ({ disableTime: new Date(), ...user, disableReason }), true),
    enableUser: async (request) => change(request, enabled),
    async openPasswordReset(userId, reset) {
      const kept = users.get(userId);
      if (kept === undefined) return undefined;
      openReset(kept, reset);
      return new Date(Date.now() + reset.lifetimeMs);
    },
    findPasswordReset: async (tokenHash) => byReset(tokenHash)?.user,
    async resetPassword(tokenHash, passwordHash) {
      const kept = byReset(tokenHash);
      if (kept === undefined) return undefined;
      kept.passwordHash = passwordHash;
      revokeSessions(kept);
      return kept.user;
    },
    async recoverAdmin(email, reset) {
      const kept = byEmail(email);
      if (kept === undefined) return undefined;
      const { roles } = kept.user;
      kept.user = {
        ...enabled(kept.user),
        roles: roles.includes("admin") ? roles : [...roles, "admin"],
      };
      revokeSessions(kept);
      openReset(kept, reset);
      return kept.user;
    },
    findRequest: async (caller, requestId) => requests.get(keyOf({ caller, requestId }))?.record,
    findUser: async (id) => users.get(id)?.user,
    async findCredentials(email) {
      const kept = byEmail(email);
      if (kept === undefined) return undefined;
      const { user, passwordHash, sessionEpoch } = kept;
      return { user, passwordHash, sessionEpoch };
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
  return { store, find: (id) => users.get(id) };
}

interface MemoryUser {
  user: User;
  passwordHash: string;
  sessionEpoch: number;
  reset?: { readonly tokenHash: string; readonly expireTime: number } | undefined;
}

const enabled = ({ disableTime: _time, disableReason: _reason, ...user }: User): User => user;

/** Revokes an open password reset, too. */
function revokeSessions(kept: MemoryUser): void {
  kept.sessionEpoch++;
  kept.reset = undefined;
}

interface Session {
  readonly userId: string;
  readonly epoch: number;
  readonly expireTime: number;
  readonly tokens: Map<string, { used?: { readonly time: number; readonly nonce: string } }>;
  revoked: boolean;
}

function memorySessions(
  findUser: (id: string) => MemoryUser | undefined,
): SessionStore & Sweepable {
  const sessions = new Map<string, Session>();
  const find = (hash: string) => {
    const session = [...sessions.values()].find(({ tokens }) => tokens.has(hash));
    const token = session?.tokens.get(hash);
    const kept = session && findUser(session.userId);
    if (!session || !token || !kept) return undefined;
    const live =
      !session.revoked && session.expireTime > Date.now() && session.epoch === kept.sessionEpoch;
    return { session, token, live, user: kept.user };
  };
  return {
    async createSession({ id, userId, epoch, tokenHash, lifetimeMs }) {
      const tokens = new Map([[tokenHash, {}]]);
      const expireTime = Date.now() + lifetimeMs;
      sessions.set(id, { userId, epoch, expireTime, tokens, revoked: false });
    },
    async rotateToken({ tokenHash, successorHash, nonce }) {
      const found = find(tokenHash);
      if (!found?.live || found.token.used) return undefined;
      found.token.used = { time: Date.now(), nonce };
      found.session.tokens.set(successorHash, {});
      return found.user;
    },
    async traceToken(tokenHash, graceMs) {
      const found = find(tokenHash);
      if (!found?.live || !found.token.used) return { kind: "invalid" };
      const { session, token, user } = found;
      if (token.used && token.used.time > Date.now() - graceMs)
        return { kind: "retried", nonce: token.used.nonce, user };
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

import type { RequestRecord, RevocationList } from "@tercet/service";
import { emailTaken } from "./errors.ts";
import {
  EXPIRY,
  type Grant,
  type IdentityStore,
  type NewPasswordReset,
  type Session,
  type SessionStore,
  type ThrottlePolicy,
  type ThrottleStore,
  type UserStore,
} from "./store.ts";
import { TOKEN_LIFE_MS } from "./tokens.ts";
import type { User } from "./user.ts";

/** Deletes at most `limit` stale entries and returns how many. */
type Delete = <V>(entries: Map<string, V>, isStale: (value: V) => boolean) => number;
interface Sweepable {
  sweep(deleteStale: Delete, expiry: typeof EXPIRY): number;
}

/** Keeps everything in this process for as long as it runs: for trying things out, one replica. */
export function memoryStore(): IdentityStore {
  const revocations = memoryRevocations();
  const users = memoryUsers(revocations);
  const sessions = memorySessions(users.find, revocations);
  const throttle = memoryThrottle();
  return {
    ...users.store,
    ...sessions,
    ...throttle,
    listRevocations: async () => revocations.list(),
    async sweep(limit, expiry = EXPIRY) {
      const deleteStale: Delete = (entries, isStale) => {
        const stale = [...entries].filter(([, value]) => isStale(value)).slice(0, limit);
        for (const [key] of stale) entries.delete(key);
        return stale.length;
      };
      return Math.max(
        ...[users.store, sessions, throttle, revocations].map((part) =>
          part.sweep(deleteStale, expiry),
        ),
      );
    },
    ping: async () => {},
    [Symbol.asyncDispose]: async () => {},
  };
}

/** No method awaits between its first read and its last change, so each is atomic. */
function memoryUsers(revocations: MemoryRevocations): {
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
    revokes: "sessions" | "tokens" | "nothing",
  ): User | undefined => {
    const kept = users.get(request.resourceId);
    if (kept === undefined || isRecorded(request)) return undefined;
    const user = changes(kept.user);
    const others = [...users.values()].filter((one) => one !== kept && isAdmin(one));
    if (isAdmin(kept) && !isAdmin({ ...kept, user }) && others.length === 0) return undefined;
    record(request);
    kept.user = user;
    if (revokes === "sessions") revokeSessions(kept);
    if (revokes !== "nothing") revokeTokens(kept, revocations);
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
      users.set(user.id, { user, passwordHash, sessionEpoch: 0, tokenVersion: 0 });
      return user;
    },
    setRoles: async (roles, request) => change(request, (user) => ({ ...user, roles }), "tokens"),
    disableUser: async (disableReason, request) =>
      change(request, (user) => ({ disableTime: new Date(), ...user, disableReason }), "sessions"),
    enableUser: async (request) => change(request, enabled, "nothing"),
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
      revokeTokens(kept, revocations);
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
      revokeTokens(kept, revocations);
      openReset(kept, reset);
      return kept.user;
    },
    findRequest: async (caller, requestId) => requests.get(keyOf({ caller, requestId }))?.record,
    findUser: async (id) => users.get(id)?.user,
    async findCredentials(email) {
      const kept = byEmail(email);
      if (kept === undefined) return undefined;
      const { user, passwordHash, sessionEpoch, tokenVersion } = kept;
      return { user, passwordHash, sessionEpoch, tokenVersion };
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
  tokenVersion: number;
  reset?: { readonly tokenHash: string; readonly expireTime: number } | undefined;
}

const enabled = ({ disableTime: _time, disableReason: _reason, ...user }: User): User => user;

/** Revokes an open password reset, too. */
function revokeSessions(kept: MemoryUser): void {
  kept.sessionEpoch++;
  kept.reset = undefined;
}

function revokeTokens(
  kept: MemoryUser,
  revocations: MemoryRevocations,
  exceptSession?: string,
): void {
  kept.tokenVersion++;
  revocations.addUser(kept.user.id, kept.tokenVersion, exceptSession);
}

interface MemoryRevocations extends Sweepable {
  addSession(id: string): void;
  addUser(id: string, tokenVersion: number, exceptSession: string | undefined): void;
  list(): RevocationList;
}

function memoryRevocations(): MemoryRevocations {
  const sessions = new Map<string, number>();
  const users = new Map<string, { user: RevocationList["users"][number]; expireTime: number }>();
  const expireTime = () => Date.now() + TOKEN_LIFE_MS;
  return {
    addSession: (id) => void sessions.set(id, expireTime()),
    addUser(subject, tokenVersion, exceptSession) {
      const user = { subject, tokenVersion, ...(exceptSession !== undefined && { exceptSession }) };
      users.set(subject, { user, expireTime: expireTime() });
    },
    list: () => ({
      sessions: [...sessions].filter(([, time]) => time > Date.now()).map(([id]) => id),
      users: [...users.values()]
        .filter((one) => one.expireTime > Date.now())
        .map(({ user }) => user),
    }),
    sweep: (deleteStale) =>
      Math.max(
        deleteStale(sessions, (time) => time <= Date.now()),
        deleteStale(users, (one) => one.expireTime <= Date.now()),
      ),
  };
}

interface MemorySession {
  readonly id: string;
  readonly userId: string;
  readonly createTime: number;
  epoch: number;
  lastUseTime: number;
  readonly expireTime: number;
  readonly tokens: Map<string, { used?: { readonly time: number; readonly nonce: string } }>;
  revoked: boolean;
}

function memorySessions(
  findUser: (id: string) => MemoryUser | undefined,
  revocations: MemoryRevocations,
): Omit<SessionStore, "listRevocations"> & Sweepable {
  const sessions = new Map<string, MemorySession>();
  const find = (hash: string) => {
    const session = [...sessions.values()].find(({ tokens }) => tokens.has(hash));
    const token = session?.tokens.get(hash);
    const kept = session && findUser(session.userId);
    if (!session || !token || !kept) return undefined;
    return { session, token, live: isLive(session, kept), grant: grantOf(session, kept) };
  };
  const isLive = ({ revoked, expireTime, epoch }: MemorySession, kept: MemoryUser) =>
    !revoked && expireTime > Date.now() && epoch === kept.sessionEpoch;
  const grantOf = (
    { id: sessionId }: MemorySession,
    { user, tokenVersion }: MemoryUser,
  ): Grant => ({
    user,
    sessionId,
    tokenVersion,
  });
  const findLive = ({ id, userId }: Pick<Session, "id" | "userId">) => {
    const session = sessions.get(id);
    const kept = findUser(userId);
    return session?.userId === userId && kept !== undefined && isLive(session, kept)
      ? { session, kept }
      : undefined;
  };
  const revoke = (session: MemorySession) => {
    session.revoked = true;
    revocations.addSession(session.id);
  };
  return {
    async createSession({ id, userId, epoch, tokenHash, lifetimeMs }) {
      const tokens = new Map([[tokenHash, {}]]);
      const createTime = Date.now();
      const times = { createTime, lastUseTime: createTime, expireTime: createTime + lifetimeMs };
      sessions.set(id, { id, userId, epoch, ...times, tokens, revoked: false });
    },
    async rotateToken({ tokenHash, successorHash, nonce }) {
      const found = find(tokenHash);
      if (!found?.live || found.token.used) return undefined;
      found.session.lastUseTime = Date.now();
      found.token.used = { time: found.session.lastUseTime, nonce };
      found.session.tokens.set(successorHash, {});
      return found.grant;
    },
    async traceToken(tokenHash, graceMs) {
      const found = find(tokenHash);
      if (!found?.live || !found.token.used) return { kind: "invalid" };
      const { session, token, grant } = found;
      // Tokens are in the order of their use: that of the successor is the next.
      const successor = [...session.tokens.values()][
        [...session.tokens.values()].indexOf(token) + 1
      ];
      if (token.used && !successor?.used && token.used.time > Date.now() - graceMs)
        return { kind: "retried", nonce: token.used.nonce, grant };
      revoke(session);
      return { kind: "reused", userId: session.userId, sessionId: session.id };
    },
    async revokeSessionOf(tokenHash) {
      const found = find(tokenHash);
      if (found === undefined || found.session.revoked) return undefined;
      revoke(found.session);
      return { id: found.session.id, userId: found.session.userId };
    },
    async listSessions({ userId, limit, before }) {
      return [...sessions.values()]
        .filter((session) => findLive({ id: session.id, userId }) !== undefined)
        .filter(({ id }) => before === undefined || id < before)
        .sort((a, b) => (a.id < b.id ? 1 : -1))
        .slice(0, limit)
        .map(({ id, createTime, lastUseTime, expireTime }) => ({
          id,
          userId,
          createTime: new Date(createTime),
          lastUseTime: new Date(lastUseTime),
          expireTime: new Date(expireTime),
        }));
    },
    async revokeSession({ id, userId }) {
      const session = sessions.get(id);
      if (session?.userId !== userId) return undefined;
      if (session.revoked) return "was revoked";
      revoke(session);
      return "revoked";
    },
    async revokeAllSessions(asking) {
      const found = findLive(asking);
      if (found === undefined) return false;
      found.kept.sessionEpoch++;
      revokeTokens(found.kept, revocations);
      return true;
    },
    async changePassword({ userId, sessionId, from, to }) {
      const found = findLive({ id: sessionId, userId });
      if (found?.kept.passwordHash !== from) return false;
      found.kept.passwordHash = to;
      revokeSessions(found.kept);
      found.session.epoch = found.kept.sessionEpoch;
      revokeTokens(found.kept, revocations, sessionId);
      return true;
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
      for (const key of accounts.keys())
        if (key === account || key.startsWith(`${account}:`)) accounts.delete(key);
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

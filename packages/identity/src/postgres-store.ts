import { findRequest, pingPostgres, type Sql, sweepRequests } from "@tercet/service";
import * as revocations from "./postgres-revocations.ts";
import * as sessions from "./postgres-sessions.ts";
import * as throttle from "./postgres-throttle.ts";
import * as users from "./postgres-users.ts";
import { EXPIRY, type IdentityStore } from "./store.ts";

export const MIGRATIONS = new URL("../migrations/", import.meta.url);

export function postgresStore(sql: Sql): IdentityStore {
  const work = sql.priority("work");
  return {
    createUser: (user, request) => users.createUser(sql, user, request),
    setRoles: (roles, request) => users.setRoles(sql, roles, request),
    disableUser: (reason, request) => users.disableUser(sql, reason, request),
    enableUser: (request) => users.enableUser(sql, request),
    openPasswordReset: (userId, reset) => users.openPasswordReset(sql, userId, reset),
    findPasswordReset: (tokenHash) => users.findPasswordReset(sql, tokenHash),
    resetPassword: (tokenHash, passwordHash) => users.resetPassword(sql, tokenHash, passwordHash),
    recoverAdmin: (email, reset) => users.recoverAdmin(sql, email, reset),
    findRequest: (caller, requestId) => findRequest(sql, caller, requestId),
    findUser: (id) => users.findUser(sql, id),
    findCredentials: (email) => users.findCredentials(sql, email),
    replacePasswordHash: (userId, from, to) => users.replacePasswordHash(sql, userId, from, to),
    listUsers: (page) => users.listUsers(sql, page),
    createSession: (session) => sessions.createSession(sql, session),
    rotateToken: (rotation) => sessions.rotateToken(sql, rotation),
    traceToken: (tokenHash, graceMs) => sessions.traceToken(sql, tokenHash, graceMs),
    revokeSessionOf: (tokenHash) => sessions.revokeSessionOf(sql, tokenHash),
    listSessions: (page) => sessions.listSessions(sql, page),
    revokeSession: (session) => sessions.revokeSession(sql, session),
    revokeAllSessions: (asking) => sessions.revokeAllSessions(sql, asking),
    changePassword: (change) => sessions.changePassword(sql, change),
    listRevocations: () => revocations.listRevocations(sql),
    admitLogin: (account, policy) => throttle.admitLogin(sql, account, policy),
    returnAttempt: (account) => throttle.returnAttempt(sql, account),
    forgetFailures: (account) => throttle.forgetFailures(sql, account),
    sweep: async (limit, { requestsAfterMs, failuresAfterMs } = EXPIRY) =>
      Math.max(
        await sessions.sweepSessions(work, limit),
        await revocations.sweepRevocations(work, limit),
        await throttle.sweepFailures(work, limit, failuresAfterMs),
        await sweepRequests(work, limit, requestsAfterMs),
      ),
    ping: () => pingPostgres(sql),
    [Symbol.asyncDispose]: () => sql.end({ timeout: 1 }),
  };
}

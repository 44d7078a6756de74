import {
  connectPostgres,
  findRequest,
  pingPostgres,
  prepareSchema,
  type Sql,
} from "@tercet/service";
import * as sessions from "./postgres-sessions.ts";
import * as throttle from "./postgres-throttle.ts";
import * as users from "./postgres-users.ts";
import type { IdentityStore, Sweep } from "./store.ts";

export const migrations = new URL("../migrations/", import.meta.url);

interface OpenOptions {
  readonly poolSize?: number;
  readonly migrateAtStart?: boolean;
}

/**
 * Opens the store once its schema is up to date. Throws SchemaBehindError when it may not migrate,
 * and would have to.
 */
export async function openPostgresStore(
  url: string,
  { poolSize, migrateAtStart = true }: OpenOptions = {},
): Promise<IdentityStore> {
  await prepareSchema(url, migrations, migrateAtStart);
  return postgresStore(connectPostgres(url, { applicationName: "identity", max: poolSize }));
}

export function postgresStore(sql: Sql): IdentityStore {
  return {
    createUser: (user, request) => users.createUser(sql, user, request),
    setRoles: (roles, request) => users.setRoles(sql, roles, request),
    findRequest: (caller, requestId) => findRequest(sql, caller, requestId),
    findUser: (id) => users.findUser(sql, id),
    findCredentials: (email) => users.findCredentials(sql, email),
    replacePasswordHash: (userId, from, to) => users.replacePasswordHash(sql, userId, from, to),
    listUsers: (page) => users.listUsers(sql, page),
    createSession: (session) => sessions.createSession(sql, session),
    rotateToken: (rotation) => sessions.rotateToken(sql, rotation),
    traceToken: (tokenHash, grace) => sessions.traceToken(sql, tokenHash, grace),
    revokeSession: (tokenHash) => sessions.revokeSession(sql, tokenHash),
    admitLogin: (account, policy) => throttle.admitLogin(sql, account, policy),
    returnAttempt: (account) => throttle.returnAttempt(sql, account),
    forgetFailures: (account) => throttle.forgetFailures(sql, account),
    sweep: (sweep) => deleteStale(sql.priority("work"), sweep),
    ping: () => pingPostgres(sql),
    [Symbol.asyncDispose]: () => sql.end({ timeout: 1 }),
  };
}

/**
 * Small batches, and rows that another replica is deleting are left to it. The tokens of a session
 * go with it.
 */
async function deleteStale(sql: Sql, { batch, requestAge, failureAge }: Sweep): Promise<boolean> {
  const ago = (milliseconds: number) =>
    sql`now() - ${milliseconds}::float8 * interval '1 millisecond'`;
  const gone = await Promise.all([
    sql`delete from sessions where id in (
      select id from sessions where expire_time <= now() order by expire_time limit ${batch} for update skip locked)`,
    sql`delete from login_failures where account in (
      select account from login_failures where last_time <= ${ago(failureAge)} and blocked_until <= now()
      order by last_time limit ${batch} for update skip locked)`,
    sql`delete from requests where (caller, request_id) in (
      select caller, request_id from requests where create_time <= ${ago(requestAge)}
      order by create_time limit ${batch} for update skip locked)`,
  ]);
  return gone.some(({ count }) => count >= batch);
}

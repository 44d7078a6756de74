import type { Sql } from "@tercet/service";
import { revokeSessionTokens, revokeUserTokens } from "./postgres-revocations.ts";
import { columns, toUser, type UserRow } from "./postgres-users.ts";
import type { Grant, NewSession, Session, SessionStore, TokenTrace } from "./store.ts";

type GrantRow = UserRow & Omit<Grant, "user">;

const toGrant = ({ sessionId, tokenVersion, ...user }: GrantRow): Grant => ({
  user: toUser(user),
  sessionId,
  tokenVersion,
});

/** Of a row of sessions joined with the row of its user. */
const isLive = (sql: Sql) =>
  sql`sessions.revoke_time is null and sessions.expire_time > now() and users.session_epoch = sessions.epoch`;

export async function createSession(sql: Sql, session: NewSession): Promise<void> {
  await sql`
    with session as (
      insert into sessions (id, user_id, epoch, expire_time)
      values (${session.id}, ${session.userId}, ${session.epoch}, now() + ${session.lifetimeMs}::float8 * interval '1 millisecond')
      returning id
    )
    insert into refresh_tokens (hash, session_id) select ${session.tokenHash}, id from session`;
}

/** Concurrent calls queue for the token's row; all but the first then find it used. */
export async function rotateToken(
  sql: Sql,
  { tokenHash, successorHash, nonce }: Parameters<SessionStore["rotateToken"]>[0],
): Promise<Grant | undefined> {
  const [row] = await sql<GrantRow[]>`
    with used as (
      update refresh_tokens set rotate_time = now(), successor_nonce = ${nonce}
      from sessions join users on users.id = sessions.user_id
      where refresh_tokens.hash = ${tokenHash} and refresh_tokens.rotate_time is null
        and sessions.id = refresh_tokens.session_id and ${isLive(sql)}
      returning sessions.id, sessions.user_id
    ), successor as (
      insert into refresh_tokens (hash, session_id) select ${successorHash}, id from used
    )
    select ${columns(sql)}, users.token_version, used.id as session_id from users join used on used.user_id = users.id`;
  return row && toGrant(row);
}

/** A later use of a token of the session is one of the successor's, or of one after it. */
export async function traceToken(
  sql: Sql,
  tokenHash: string,
  graceMs: number,
): Promise<TokenTrace> {
  const [row] = await sql<(GrantRow & { nonce: string | null; reused: boolean })[]>`
    with presented as (
      select sessions.id, sessions.user_id, successor_nonce,
        rotate_time > now() - ${graceMs}::float8 * interval '1 millisecond' and not exists (
          select from refresh_tokens as later
          where later.session_id = sessions.id and later.rotate_time > refresh_tokens.rotate_time
        ) as retried
      from refresh_tokens join sessions on sessions.id = refresh_tokens.session_id
        join users on users.id = sessions.user_id
      where hash = ${tokenHash} and rotate_time is not null and ${isLive(sql)}
    ), revoked as (
      update sessions set revoke_time = now() from presented
      where sessions.id = presented.id and not retried
      returning sessions.id
    ), listed as (${revokeSessionTokens(sql, sql`revoked`)})
    select ${columns(sql)}, users.token_version, presented.id as session_id, not retried as reused, successor_nonce as nonce
    from users join presented on presented.user_id = users.id`;
  if (row === undefined) return { kind: "invalid" };
  const { nonce, reused, ...rest } = row;
  const grant = toGrant(rest);
  return reused || nonce === null
    ? { kind: "reused", userId: grant.user.id, sessionId: grant.sessionId }
    : { kind: "retried", nonce, grant };
}

export async function revokeSessionOf(
  sql: Sql,
  tokenHash: string,
): Promise<Pick<Session, "id" | "userId"> | undefined> {
  const [revoked] = await sql<Pick<Session, "id" | "userId">[]>`
    with revoked as (
      update sessions set revoke_time = now()
      from refresh_tokens
      where refresh_tokens.hash = ${tokenHash} and sessions.id = refresh_tokens.session_id and sessions.revoke_time is null
      returning sessions.id, sessions.user_id
    ), listed as (${revokeSessionTokens(sql, sql`revoked`)})
    select id, user_id from revoked`;
  return revoked;
}

export async function listSessions(
  sql: Sql,
  { userId, limit, before }: Parameters<SessionStore["listSessions"]>[0],
): Promise<Session[]> {
  return await sql<Session[]>`
    select sessions.id, sessions.user_id, sessions.create_time, sessions.expire_time,
      (select max(create_time) from refresh_tokens where session_id = sessions.id) as last_use_time
    from sessions join users on users.id = sessions.user_id
    where sessions.user_id = ${userId} and ${isLive(sql)}
      ${before === undefined ? sql`` : sql`and sessions.id < ${before}`}
    order by sessions.id desc limit ${limit}`;
}

export async function revokeSession(
  sql: Sql,
  { id, userId }: Pick<Session, "id" | "userId">,
): Promise<"revoked" | "was revoked" | undefined> {
  const [row] = await sql<{ revoked: boolean }[]>`
    with revoked as (
      update sessions set revoke_time = now()
      where id = ${id} and user_id = ${userId} and revoke_time is null
      returning id
    ), listed as (${revokeSessionTokens(sql, sql`revoked`)})
    select exists (select from revoked) as revoked from sessions where id = ${id} and user_id = ${userId}`;
  if (row === undefined) return undefined;
  return row.revoked ? "revoked" : "was revoked";
}

export async function revokeAllSessions(
  sql: Sql,
  { id, userId }: Pick<Session, "id" | "userId">,
): Promise<boolean> {
  const [changed] = await sql<{ id: string }[]>`
    with changed as (
      update users set session_epoch = session_epoch + 1, token_version = token_version + 1
      from sessions
      where users.id = ${userId} and sessions.id = ${id} and sessions.user_id = users.id and ${isLive(sql)}
      returning users.id, users.token_version
    ), listed as (${revokeUserTokens(sql, sql`changed`)})
    select id from changed`;
  return changed !== undefined;
}

export async function changePassword(
  sql: Sql,
  { userId, sessionId, from, to }: Parameters<SessionStore["changePassword"]>[0],
): Promise<boolean> {
  const [changed] = await sql<{ id: string }[]>`
    with changed as (
      update users set password_hash = ${to}, session_epoch = session_epoch + 1,
        token_version = token_version + 1, reset_token_hash = null, reset_expire_time = null
      from sessions
      where users.id = ${userId} and users.password_hash = ${from}
        and sessions.id = ${sessionId} and sessions.user_id = users.id and ${isLive(sql)}
      returning users.id, users.token_version, users.session_epoch
    ), kept as (
      update sessions set epoch = changed.session_epoch from changed where sessions.id = ${sessionId}
    ), listed as (${revokeUserTokens(sql, sql`changed`, sessionId)})
    select id from changed`;
  return changed !== undefined;
}

/** Rows that another replica is deleting are skipped. The tokens of a session go with it. */
export async function sweepSessions(sql: Sql, limit: number): Promise<number> {
  const { count } = await sql`
    delete from sessions where id in (
      select id from sessions where expire_time <= now()
      order by expire_time limit ${limit} for update skip locked)`;
  return count;
}

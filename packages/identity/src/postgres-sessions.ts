import type { Sql } from "@tercet/service";
import { columns, toUser, type UserRow } from "./postgres-users.ts";
import type { NewSession, SessionStore, TokenTrace } from "./store.ts";

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
) {
  const [user] = await sql<UserRow[]>`
    with used as (
      update refresh_tokens set rotate_time = now(), successor_nonce = ${nonce}
      from sessions join users on users.id = sessions.user_id and users.session_epoch = sessions.epoch
      where refresh_tokens.hash = ${tokenHash} and refresh_tokens.rotate_time is null
        and sessions.id = refresh_tokens.session_id and sessions.revoke_time is null and sessions.expire_time > now()
      returning sessions.id, sessions.user_id
    ), successor as (
      insert into refresh_tokens (hash, session_id) select ${successorHash}, id from used
    )
    select ${columns(sql)} from users join used on used.user_id = users.id`;
  return user && toUser(user);
}

export async function traceToken(
  sql: Sql,
  tokenHash: string,
  graceMs: number,
): Promise<TokenTrace> {
  const [row] = await sql<(UserRow & { nonce: string | null; reused: boolean })[]>`
    with presented as (
      select sessions.id, sessions.user_id, successor_nonce,
        rotate_time > now() - ${graceMs}::float8 * interval '1 millisecond' as retried
      from refresh_tokens join sessions on sessions.id = refresh_tokens.session_id
        join users on users.id = sessions.user_id and users.session_epoch = sessions.epoch
      where hash = ${tokenHash} and rotate_time is not null and revoke_time is null and expire_time > now()
    ), revoked as (
      update sessions set revoke_time = now() from presented where sessions.id = presented.id and not retried
    )
    select ${columns(sql)}, not retried as reused, successor_nonce as nonce from users join presented on presented.user_id = users.id`;
  if (row === undefined) return { kind: "invalid" };
  const { nonce, reused, ...user } = row;
  return reused || nonce === null
    ? { kind: "reused", userId: user.id }
    : { kind: "retried", nonce, user: toUser(user) };
}

export async function revokeSession(sql: Sql, tokenHash: string): Promise<string | undefined> {
  const [revoked] = await sql<{ userId: string }[]>`
    update sessions set revoke_time = now()
    from refresh_tokens
    where refresh_tokens.hash = ${tokenHash} and sessions.id = refresh_tokens.session_id and sessions.revoke_time is null
    returning sessions.user_id`;
  return revoked?.userId;
}

/** Rows that another replica is deleting are skipped. The tokens of a session go with it. */
export async function sweepSessions(sql: Sql, limit: number): Promise<number> {
  const { count } = await sql`
    delete from sessions where id in (
      select id from sessions where expire_time <= now()
      order by expire_time limit ${limit} for update skip locked)`;
  return count;
}

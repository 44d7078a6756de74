import { type Fragment, milliseconds, type RevocationList, type Sql } from "@tercet/service";
import { TOKEN_LIFE_MS } from "./tokens.ts";

/** Far more than passwords can be checked within the life of a token. */
const MAX_LISTED = 200_000;

interface Row {
  readonly id: string;
  readonly tokenVersion: number | null;
  readonly exceptSessionId: string | null;
}

export async function listRevocations(sql: Sql): Promise<RevocationList> {
  const rows = await sql<Row[]>`
    select id, token_version, except_session_id from revocations
    where expire_time > now() order by id limit ${MAX_LISTED}`;
  return {
    sessions: rows.filter(({ tokenVersion }) => tokenVersion === null).map(({ id }) => id),
    users: rows.flatMap(({ id, tokenVersion, exceptSessionId }) =>
      tokenVersion === null
        ? []
        : [
            {
              subject: id,
              tokenVersion,
              ...(exceptSessionId !== null && { exceptSession: exceptSessionId }),
            },
          ],
    ),
  };
}

/** The part of a `with` that revokes the tokens of the sessions whose ids are in `source`. */
export const revokeSessionTokens = (sql: Sql, source: Fragment) => sql`
  insert into revocations (id, expire_time)
  select id, now() + ${milliseconds(sql, TOKEN_LIFE_MS)} from ${source}
  on conflict do nothing`;

/**
 * The part of a `with` that revokes the tokens of the users in `source`, which has the id and the
 * new token version of each.
 */
export const revokeUserTokens = (
  sql: Sql,
  source: Fragment,
  exceptSessionId: string | null = null,
) => sql`
  insert into revocations as kept (id, token_version, except_session_id, expire_time)
  select id, token_version, ${exceptSessionId}::uuid, now() + ${milliseconds(sql, TOKEN_LIFE_MS)} from ${source}
  on conflict (id) do update set token_version = excluded.token_version,
    except_session_id = excluded.except_session_id, expire_time = excluded.expire_time`;

/** Rows that another replica is deleting are skipped. */
export async function sweepRevocations(sql: Sql, limit: number): Promise<number> {
  const { count } = await sql`
    delete from revocations where id in (
      select id from revocations where expire_time <= now()
      order by expire_time limit ${limit} for update skip locked)`;
  return count;
}

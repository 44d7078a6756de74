import type { Sql } from "@tercet/service";
import type { ThrottlePolicy } from "./store.ts";

/**
 * When the row that refuses was written by a statement that is newer than this one's view:
 * milliseconds.
 */
const UNSEEN_WAIT = 1_000;
/** Far past every delay's maximum, and far from where 2^n overflows. */
const MAX_DOUBLINGS = 30;

export async function admitLogin(
  sql: Sql,
  account: string,
  policy: ThrottlePolicy,
): Promise<number> {
  const milliseconds = (n: number) => sql`${n}::float8 * interval '1 millisecond'`;
  const attempts = sql`case when kept.last_time <= now() - ${milliseconds(policy.window)} then 1 else kept.failures + 1 end`;
  const doublings = sql`least(${attempts} - ${policy.free}::int, ${MAX_DOUBLINGS}::int)`;
  const delay = sql`least(${policy.firstDelay}::float8 * 2 ^ ${doublings}, ${policy.maxDelay}::float8) * interval '1 millisecond'`;
  const [row] = await sql<{ wait: number }[]>`
    with admitted as (
      insert into login_failures as kept (account, failures, last_time, blocked_until) values (${account}, 1, now(), now())
      on conflict (account) do update set
        failures = ${attempts},
        last_time = now(),
        blocked_until = now() + case when ${attempts} < ${policy.free}::int then interval '0' else ${delay} end
      where kept.blocked_until <= now()
      returning 0 as wait
    )
    select coalesce(
      (select wait from admitted),
      (select ceil(extract(epoch from blocked_until - now()) * 1000)::int from login_failures
        where account = ${account} and blocked_until > now()),
      ${UNSEEN_WAIT}::int
    ) as wait`;
  return row?.wait ?? UNSEEN_WAIT;
}

export async function returnAttempt(sql: Sql, account: string): Promise<void> {
  await sql`update login_failures set failures = greatest(failures - 1, 0), blocked_until = now() where account = ${account}`;
}

export async function forgetFailures(sql: Sql, account: string): Promise<void> {
  await sql`delete from login_failures where account = ${account}`;
}

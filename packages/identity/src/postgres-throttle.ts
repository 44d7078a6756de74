import type { Sql } from "@tercet/service";
import type { ThrottlePolicy } from "./store.ts";

/** The wait if the row that refuses is newer than this statement's snapshot. */
const UNSEEN_WAIT_MS = 1_000;
/** Far beyond every maximum delay, and far below where 2^n overflows. */
const MAX_DOUBLINGS = 30;

export async function admitLogin(
  sql: Sql,
  account: string,
  policy: ThrottlePolicy,
): Promise<number> {
  // Not `now()`: a concurrent statement that began earlier would see a time to come.
  const notBlocked = sql`'-infinity'::timestamptz`;
  const interval = (ms: number) => sql`${ms}::float8 * interval '1 millisecond'`;
  const attempts = sql`case when kept.last_time <= now() - ${interval(policy.windowMs)} then 1 else kept.failures + 1 end`;
  const doublings = sql`least(${attempts} - ${policy.free}::int, ${MAX_DOUBLINGS}::int)`;
  const delay = sql`least(${policy.firstDelayMs}::float8 * 2 ^ ${doublings}, ${policy.maxDelayMs}::float8) * interval '1 millisecond'`;
  const [row] = await sql<{ waitMs: number }[]>`
    with admitted as (
      insert into login_failures as kept (account, failures, last_time, blocked_until) values (${account}, 1, now(), ${notBlocked})
      on conflict (account) do update set
        failures = ${attempts},
        last_time = now(),
        blocked_until = case when ${attempts} < ${policy.free}::int then ${notBlocked} else now() + ${delay} end
      where kept.blocked_until <= now()
      returning 0 as wait_ms
    )
    select coalesce(
      (select wait_ms from admitted),
      (select ceil(extract(epoch from blocked_until - now()) * 1000)::int from login_failures
        where account = ${account} and blocked_until > now()),
      ${UNSEEN_WAIT_MS}::int
    ) as wait_ms`;
  return row?.waitMs ?? UNSEEN_WAIT_MS;
}

export async function returnAttempt(sql: Sql, account: string): Promise<void> {
  await sql`update login_failures set failures = greatest(failures - 1, 0), blocked_until = '-infinity' where account = ${account}`;
}

export async function forgetFailures(sql: Sql, account: string): Promise<void> {
  await sql`
    delete from login_failures
    where account = ${account} or account like ${`${account}:%`}`;
}

/** Rows that another replica is deleting are skipped. */
export async function sweepFailures(sql: Sql, limit: number, afterMs: number): Promise<number> {
  const { count } = await sql`
    delete from login_failures where account in (
      select account from login_failures
      where last_time <= now() - ${afterMs}::float8 * interval '1 millisecond'
        and blocked_until <= now()
      order by last_time limit ${limit} for update skip locked)`;
  return count;
}

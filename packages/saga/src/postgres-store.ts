import postgres from "postgres";
import { advance, type Fragment, historyLine, moveRows, type SagaSql } from "./moves.ts";
import type { Move, MoveResult } from "./saga.ts";
import type { Claim, ClaimedSaga, SagaStore, Worker } from "./store.ts";

/**
 * A claim ranks at most this many due sagas, the oldest first. A key at its limit is not among
 * them: the backlog of one key, of any length, hides the sagas of others until the next claim.
 */
const MAX_CANDIDATES = 1_000;
/** Workers not seen for this long are deleted; their sagas were taken over long before. */
const FORGET_WORKER = "1 hour";

/**
 * Creates the engine's store. Heartbeats go through `lease`, which should be a connection that
 * other work cannot occupy; `sql` by default.
 */
export function postgresSagaStore(sql: SagaSql, lease: SagaSql = sql): SagaStore {
  return {
    register: (worker) => register(lease, worker),
    heartbeat: (worker) => heartbeat(lease, worker),
    claimDue: (claim) => claimDue(sql, claim),
    move: (moves) => moveSagas(sql, moves),
    isDefect,
    isRolledBack,
    release: (worker) => releaseSagas(sql, worker),
  };
}

async function register(sql: SagaSql, worker: Worker): Promise<void> {
  const { id, instance } = worker;
  await sql`
    with earlier as (delete from workers where instance = ${instance} and id <> ${id})
    ${seen(sql, worker)}`;
}

async function heartbeat(sql: SagaSql, worker: Worker): Promise<void> {
  await sql`
    with forgotten as (delete from workers where seen_at < now() - ${FORGET_WORKER}::interval)
    ${seen(sql, worker)}`;
}

const seen = (sql: SagaSql, { id, name, instance }: Worker) => sql`
    insert into workers (id, name, instance, seen_at) values (${id}, ${name}, ${instance}, now())
    on conflict (id) do update set seen_at = excluded.seen_at`;

async function claimDue(
  sql: SagaSql,
  { worker, limit, limitPerKey, heldByKey, leaseMs, sparing, known, held, orphaned }: Claim,
): Promise<readonly ClaimedSaga[]> {
  const takenOver: Fragment = sql`
    to_json(${worker.name}::text) || ',[0,' || to_json(s.step) || ',0,' || json_build_object('outcome', 'STARTED', 'message', 'taken over',
      'attempt', s.attempt + 1, 'action', case s.state when 'RUNNING' then 'RUN' else 'UNDO' end) || ']'`;
  const keys = [...heldByKey].map(([key, sagas]) => ({ key, sagas }));
  // Evaluated twice: a saga may change between the ranking and its lock.
  const claimable = sql`
    s.state in ('RUNNING', 'COMPENSATING') and s.next_run_at <= now()
      and (s.kind, s.version, s.step) in (select kind, version, step from jsonb_to_recordset(${sql.json(known as never)}) as k(kind text, version int, step text))
      and case
        when s.owner = ${worker.id} then s.id not in (select h::uuid from jsonb_array_elements_text(${sql.json(held as never)}) as h)
          and (s.id in (select o::uuid from jsonb_array_elements_text(${sql.json(orphaned as never)}) as o)
            or s.update_time < now() - ${leaseMs}::float * interval '1 millisecond')
        else not exists (select from workers w where w.id = s.owner and (${sparing}::boolean or w.seen_at > now() - ${leaseMs}::float * interval '1 millisecond'))
      end`;
  return sql<ClaimedSaga[]>`
    with held as (select key, sagas from jsonb_to_recordset(${sql.json(keys)}) as h(key text, sagas int)),
    candidates as (
      select s.id, s.fairness_key, s.next_run_at
      from sagas s
      where ${claimable} and s.fairness_key not in (select key from held where sagas >= ${limitPerKey}::int)
      order by s.next_run_at
      limit ${MAX_CANDIDATES}
    ),
    ranked as (
      select c.id, c.next_run_at, c.fairness_key,
        coalesce(h.sagas, 0) + row_number() over (partition by c.fairness_key order by c.next_run_at) as turn
      from candidates c left join held h on h.key = c.fairness_key
    ),
    due as (
      select s.id, s.owner is not null and s.owner <> ${worker.id} as taken_over
      from ranked r join sagas s on s.id = r.id
      where ${claimable} and (r.fairness_key = '' or r.turn <= ${limitPerKey}::int)
      order by r.turn, r.next_run_at
      limit ${limit}
      for update of s skip locked
    )
    update sagas s set
      owner = ${worker.id},
      fence = s.fence + 1,
      update_time = now(),
      history = case when due.taken_over then s.history || ${historyLine(sql, takenOver)} else s.history end
    from due where s.id = due.id
    returning s.id, s.kind, s.version, s.subject, s.input, s.fairness_key, s.state, s.step, s.attempt, s.failure, s.last_error, s.origin, s.fence,
      s.deadline_at <= now() as overdue, due.taken_over`;
}

async function moveSagas(sql: SagaSql, moves: readonly Move[]): Promise<readonly MoveResult[]> {
  const moved = await sql<
    { sagaId: string }[]
  >`with moves as (${moveRows(sql, moves)}), moved as (${advance(sql)}) select saga_id from moved`;
  return toResults(moves, moved);
}

async function releaseSagas(sql: SagaSql, { id }: Worker): Promise<void> {
  await sql`
    with gone as (delete from workers where id = ${id})
    update sagas set owner = null, next_run_at = least(next_run_at, now()), update_time = now()
    where owner = ${id} and state in ('RUNNING', 'COMPENSATING')`;
}

/**
 * SQLSTATE classes: bad data, broken constraint, bad SQL or missing right, raised by a function.
 */
const DEFECT_SQLSTATE = /^(22|23|42|P0)/;

const isDefect = (error: unknown): boolean =>
  error instanceof postgres.PostgresError && DEFECT_SQLSTATE.test(error.code);

/** After a fatal error the server closes the connection, perhaps after it has committed. */
const isRolledBack = (error: unknown): boolean =>
  error instanceof postgres.PostgresError &&
  error.severity !== "FATAL" &&
  error.severity !== "PANIC";

/** Returns one result per move, given the rows of those that moved. */
export function toResults(
  moves: readonly Move[],
  moved: readonly { readonly sagaId: string }[],
): readonly MoveResult[] {
  const ids = new Set(moved.map((row) => row.sagaId));
  return moves.map(({ sagaId }) => ({ sagaId, moved: ids.has(sagaId) }));
}

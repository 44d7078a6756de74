import type { Sql } from "postgres";
import { encodeEvents } from "./history.ts";
import type { HeldSaga, Move, MoveEvent } from "./saga.ts";

/** The service's client: int8 is bigint, columns are camelCase in rows. */
export type SagaSql = Sql<{ bigint: bigint }>;

/** A part of a statement. */
export type Fragment = ReturnType<SagaSql>;

/**
 * Returns the body of the common table expression `moves`: the transitions as rows. Begin a step's
 * statement with it, and apply it with `advance`:
 *
 *     with moves as (${moveRows(sql, moves)}), moved as (${advance(sql)}), ...
 *     (the changes of the business, joined with `moved` on subject)
 *     select saga_id from moved
 */
export function moveRows(sql: SagaSql, moves: readonly Move[]): Fragment {
  const rows = moves.map(({ events, fence, ...move }) => ({
    ...move,
    fence: fence.toString(),
    events: encodeEvents(events),
  }));
  return sql`
    select * from jsonb_to_recordset(${sql.json(rows as never)}) as m(
      "sagaId" uuid, fence bigint, "from" text, state text, step text, attempt int, "resumeState" text, failure jsonb, "lastError" text,
      resolution jsonb, events text, "delayMs" bigint, release boolean, "budgetMs" bigint, "bumpFence" boolean)`;
}

/**
 * Returns the update that applies `moves` to each saga that is still as its move expects, and that
 * returns (saga_id, subject, state, failure) of those that moved. `only` is a condition on the move
 * `m`, for moves that the business refuses.
 */
export function advance(sql: SagaSql, only: Fragment = sql`true`): Fragment {
  return sql`
    update sagas s set
      state = m.state,
      resume_state = m."resumeState",
      step = coalesce(m.step, s.step),
      -- Nothing reads these of a closed saga, and the input may contain secrets.
      input = case when ${closes(sql)} then '{}' else s.input end,
      origin = case when ${closes(sql)} then '{}' else s.origin end,
      fairness_key = case when ${closes(sql)} then '' else s.fairness_key end,
      attempt = m.attempt,
      failure = coalesce(nullif(m.failure, 'null'), s.failure),
      last_error = coalesce(m."lastError", s.last_error),
      resolution = coalesce(nullif(m.resolution, 'null') || jsonb_build_object('time', now()), s.resolution),
      history = case m.events when '' then s.history else s.history || ${historyLine(sql, sql`m.events`)} end,
      deadline_at = case when m."budgetMs" is null then s.deadline_at else now() + m."budgetMs" * interval '1 millisecond' end,
      next_run_at = now() + m."delayMs" * interval '1 millisecond',
      owner = case when m.release then null else s.owner end,
      fence = s.fence + case when m."bumpFence" then 1 else 0 end,
      update_time = now()
    from moves m
    where s.id = m."sagaId" and s.fence = m.fence and s.state = m."from" and ${only}
    returning s.id as saga_id, s.subject, s.state, s.failure`;
}

const closes = (sql: SagaSql): Fragment => sql`m.state in ('COMPLETED', 'COMPENSATED', 'RESOLVED')`;

/** A line of a saga's history: see `StoredEvents`. */
export const historyLine = (sql: SagaSql, events: Fragment): Fragment =>
  sql`'[' || (extract(epoch from now()) * 1000)::bigint || ',' || ${events} || e']\\n'`;

/** A saga that is not stored yet. */
export interface NewSaga extends HeldSaga {
  /** Null when this process has no room for it: the next worker that has claims it. */
  readonly owner: string | null;
  readonly deadlineMs: number;
  readonly event: MoveEvent;
}

/**
 * Returns the insert that begins those sagas whose subject is an `id` in `source`: the subjects'
 * rows, written by the same statement.
 */
export function beginSagas(sql: SagaSql, sagas: readonly NewSaga[], source: Fragment): Fragment {
  const rows = sagas.map(({ event, overdue: _, fence, ...saga }) => ({
    ...saga,
    fence: fence.toString(),
    event: encodeEvents([event]),
  }));
  return sql`
    insert into sagas (id, kind, version, subject, state, step, input, fairness_key, origin, owner, fence, deadline_at, history)
    select b.id, b.kind, b.version, b.subject, b.state, b.step, b.input, b."fairnessKey", b.origin, b.owner, b.fence,
      now() + b."deadlineMs" * interval '1 millisecond', ${historyLine(sql, sql`b.event`)}
    from jsonb_to_recordset(${sql.json(rows as never)}) as b(id uuid, kind text, version int, subject uuid, state text, step text, input jsonb,
      "fairnessKey" text, origin jsonb, owner uuid, fence bigint, "deadlineMs" float, event text)
    join ${source} as subjects on subjects.id = b.subject`;
}

/** The same for one saga. */
export const beginSaga = (sql: SagaSql, saga: NewSaga, source: Fragment): Fragment =>
  beginSagas(sql, [saga], source);

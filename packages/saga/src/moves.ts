import type { Sql } from "postgres";
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
  const rows = moves.map((move) => ({ ...move, fence: move.fence.toString() }));
  return sql`
    select * from jsonb_to_recordset(${sql.json(rows as never)}) as m(
      "sagaId" uuid, fence bigint, "from" text, state text, step text, attempt int, "resumeState" text, failure jsonb, "lastError" text,
      resolution jsonb, events jsonb, "delayMs" bigint, release boolean, "budgetMs" bigint, "bumpFence" boolean)`;
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
      -- Nothing reads the input of a closed saga, and it may contain secrets.
      input = case when m.state in ('COMPLETED', 'COMPENSATED', 'RESOLVED') then '{}' else s.input end,
      attempt = m.attempt,
      failure = coalesce(nullif(m.failure, 'null'), s.failure),
      last_error = coalesce(m."lastError", s.last_error),
      resolution = coalesce(nullif(m.resolution, 'null') || jsonb_build_object('time', now()), s.resolution),
      events = s.events || (
        select coalesce(jsonb_agg((e - 'agoMs') || jsonb_build_object('time', now() - (e ->> 'agoMs')::float * interval '1 millisecond') order by n), '[]')
        from jsonb_array_elements(m.events) with ordinality as t(e, n)),
      deadline_at = case when m."budgetMs" is null then s.deadline_at else now() + m."budgetMs" * interval '1 millisecond' end,
      next_run_at = now() + m."delayMs" * interval '1 millisecond',
      owner = case when m.release then null else s.owner end,
      fence = s.fence + case when m."bumpFence" then 1 else 0 end,
      update_time = now()
    from moves m
    where s.id = m."sagaId" and s.fence = m.fence and s.state = m."from" and ${only}
    returning s.id as saga_id, s.subject, s.state, s.failure`;
}

/** A saga that is not stored yet. */
export interface NewSaga extends HeldSaga {
  /** Null when this process has no room for it: the next worker that has claims it. */
  readonly owner: string | null;
  readonly deadlineMs: number;
  readonly event: MoveEvent;
}

/**
 * Returns the insert that begins a saga if `source` has a row: the subject's row, written by the
 * same statement.
 */
export function beginSaga(sql: SagaSql, saga: NewSaga, source: Fragment): Fragment {
  const { agoMs: _, ...event } = saga.event;
  return sql`
    insert into sagas (id, kind, version, subject, state, step, input, fairness_key, origin, owner, fence, deadline_at, events)
    select ${saga.id}::uuid, ${saga.kind}, ${saga.version}::int, ${saga.subject}::uuid, ${saga.state}, ${saga.step}, ${sql.json(saga.input as never)}::jsonb,
      ${saga.fairnessKey}, ${sql.json(saga.origin as never)}::jsonb,
      ${saga.owner}::uuid, ${saga.fence.toString()}::bigint, now() + ${saga.deadlineMs}::float * interval '1 millisecond',
      jsonb_build_array(${sql.json(event as never)}::jsonb || jsonb_build_object('time', now()))
    from ${source}`;
}

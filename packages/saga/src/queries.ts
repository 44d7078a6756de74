import { LATE } from "./defaults.ts";
import { type AnySaga, positionsOf } from "./definition.ts";
import { eventsOf, type StoredEvents } from "./history.ts";
import type { SagaSql } from "./moves.ts";
import type { SagaRecord, SagaState } from "./saga.ts";

/**
 * Why a saga is late; of several reasons, the first of these:
 * - NEEDS_ATTENTION: it is parked;
 * - UNKNOWN_VERSION: it has been open for too long, and this code cannot continue it;
 * - FAILING: its current step has failed LATE.attempts times in a row;
 * - AGE: it has been open for too long.
 */
export type LateReason = "NEEDS_ATTENTION" | "UNKNOWN_VERSION" | "FAILING" | "AGE";

/** A saga as operators see it. */
export interface SagaView extends SagaRecord {
  /** The name of the worker that holds it. */
  readonly ownerName: string | null;
  /** Since it began; of a closed saga, until it ended. By the database's clock. */
  readonly ageMs: number;
  /** Null if it is not late. */
  readonly lateReason: LateReason | null;
}

export interface Lateness {
  /** What this code can continue. */
  readonly definitions: readonly AnySaga[];
  /** The age from which an open saga is late; LATE.afterMs by default. */
  readonly afterMs?: number | undefined;
}

/** A row, whose events are in the stored form. */
type Stored<Saga> = Omit<Saga, "events"> & StoredEvents;

const withEvents = <Row extends StoredEvents>({ events, history, ...row }: Row) => ({
  ...row,
  events: eventsOf({ events, history }),
});

const age = (sql: SagaSql) =>
  sql`(case when s.state in ('COMPLETED', 'COMPENSATED', 'RESOLVED') then s.update_time else now() end - s.create_time)`;

const lateReason = (sql: SagaSql, { definitions, afterMs = LATE.afterMs }: Lateness) => sql`
  case
    when s.state = 'NEEDS_ATTENTION' then 'NEEDS_ATTENTION'
    when s.state not in ('RUNNING', 'COMPENSATING') then null
    when ${age(sql)} > ${afterMs}::float * interval '1 millisecond' and (s.kind, s.version, s.step) not in (
      select kind, version, step from jsonb_to_recordset(${sql.json(positionsOf(definitions) as never)}) as k(kind text, version int, step text))
      then 'UNKNOWN_VERSION'
    when s.attempt >= ${LATE.attempts}::int then 'FAILING'
    when ${age(sql)} > ${afterMs}::float * interval '1 millisecond' then 'AGE'
  end`;

/** `source` is a table or common table expression of sagas. */
const selectViews = (sql: SagaSql, lateness: Lateness, source = sql`sagas`) => sql`
  select s.*, w.name as owner_name, (extract(epoch from ${age(sql)}) * 1000)::float8 as age_ms, ${lateReason(sql, lateness)} as late_reason
  from ${source} s left join workers w on w.id = s.owner`;

export async function findSaga(
  sql: SagaSql,
  id: string,
  lateness: Lateness,
): Promise<SagaView | undefined> {
  const [row] = await sql<Stored<SagaView>[]>`${selectViews(sql, lateness)} where s.id = ${id}`;
  return row && withEvents(row);
}

/** Returns the saga of this kind that is about `subject`; of several, the newest. */
export async function findSagaOf(
  sql: SagaSql,
  subject: string,
  kind: string,
): Promise<SagaRecord | undefined> {
  const [row] = await sql<Stored<SagaRecord>[]>`
    select * from sagas s where s.subject = ${subject} and s.kind = ${kind} order by s.id desc limit 1`;
  return row && withEvents(row);
}

export interface SagaFilter {
  readonly state: SagaState | undefined;
  /** Empty: any kind. */
  readonly kind: string;
  readonly subject: string | undefined;
  /** Only sagas that are late. */
  readonly late: boolean;
}

/** Returns at most `limit` sagas, newest first, that are older than the one with id `after`. */
export async function listSagas(
  sql: SagaSql,
  { state, kind, subject, late }: SagaFilter,
  lateness: Lateness,
  after: string | undefined,
  limit: number,
): Promise<readonly SagaView[]> {
  // Late sagas are searched among those that have not ended, by the partial indexes. Materialized:
  // otherwise the order by id could make the database read all that have.
  const rows = await sql<Stored<SagaView>[]>`
    with unfinished as materialized (
      select * from sagas where ${late} and state in ('RUNNING', 'COMPENSATING')
      union all select * from sagas where ${late} and state = 'NEEDS_ATTENTION')
    ${selectViews(sql, lateness, late ? sql`unfinished` : sql`sagas`)}
    where ${late ? sql`${lateReason(sql, lateness)} is not null` : sql`true`}
      and ${state === undefined ? sql`true` : sql`s.state = ${state}`}
      and ${kind === "" ? sql`true` : sql`s.kind = ${kind}`}
      and ${subject === undefined ? sql`true` : sql`s.subject = ${subject}`}
      and ${after === undefined ? sql`true` : sql`s.id < ${after}`}
    order by s.id desc limit ${limit}`;
  return rows.map(withEvents);
}

export interface SagaCounts {
  /** By kind. */
  readonly parked: Readonly<Record<string, number>>;
  readonly open: number;
  /** Open sagas of a kind, of a version or at a step that is not among the known ones. */
  readonly unknownVersion: number;
  /** 0 when none is open. */
  readonly oldestOpenAgeSeconds: number;
}

/**
 * Reads only sagas that have not ended, by partial indexes: the cost does not grow with history.
 */
export async function countSagas(
  sql: SagaSql,
  definitions: readonly AnySaga[],
): Promise<SagaCounts> {
  const [counts] = await sql<SagaCounts[]>`
    with known as (
      select kind, version, step
      from jsonb_to_recordset(${sql.json(positionsOf(definitions) as never)}) as k(kind text, version int, step text)),
    parked as (select kind, count(*) as sagas from sagas where state = 'NEEDS_ATTENTION' group by kind)
    select
      (select coalesce(jsonb_object_agg(kind, sagas), '{}') from parked) as parked,
      count(*)::int as open,
      (count(*) filter (where (kind, version, step) not in (select kind, version, step from known)))::int as unknown_version,
      coalesce(extract(epoch from now() - min(create_time)), 0)::float8 as oldest_open_age_seconds
    from sagas where state in ('RUNNING', 'COMPENSATING')`;
  if (counts === undefined) throw new Error("an aggregate query returned no row");
  return counts;
}

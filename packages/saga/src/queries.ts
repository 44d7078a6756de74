import type { SagaSql } from "./moves.ts";
import type { SagaRecord, SagaState } from "./saga.ts";

/** A saga as operators see it. */
export interface SagaView extends SagaRecord {
  /** The name of the worker that holds it. */
  readonly ownerName: string | null;
}

const selectViews = (sql: SagaSql) =>
  sql`select s.*, w.name as owner_name from sagas s left join workers w on w.id = s.owner`;

export async function findSaga(sql: SagaSql, id: string): Promise<SagaView | undefined> {
  const [saga] = await sql<SagaView[]>`${selectViews(sql)} where s.id = ${id}`;
  return saga;
}

/** Returns the saga of this kind that is about `subject`; of several, the newest. */
export async function findSagaOf(
  sql: SagaSql,
  subject: string,
  kind: string,
): Promise<SagaView | undefined> {
  const [saga] = await sql<SagaView[]>`
    ${selectViews(sql)} where s.subject = ${subject} and s.kind = ${kind} order by s.id desc limit 1`;
  return saga;
}

export interface SagaFilter {
  readonly state: SagaState | undefined;
  /** Empty: any kind. */
  readonly kind: string;
}

/** Returns at most `limit` sagas, newest first, that are older than the one with id `after`. */
export async function listSagas(
  sql: SagaSql,
  { state, kind }: SagaFilter,
  after: string | undefined,
  limit: number,
): Promise<readonly SagaView[]> {
  return sql<SagaView[]>`
    ${selectViews(sql)}
    where ${state === undefined ? sql`true` : sql`s.state = ${state}`}
      and ${kind === "" ? sql`true` : sql`s.kind = ${kind}`}
      and ${after === undefined ? sql`true` : sql`s.id < ${after}`}
    order by s.id desc limit ${limit}`;
}

export interface SagaCounts {
  /** By kind. */
  readonly parked: Readonly<Record<string, number>>;
  readonly open: number;
  /** Open sagas whose kind or version is not among the known ones. */
  readonly unknownVersion: number;
  /** 0 when none is open. */
  readonly oldestOpenAgeSeconds: number;
}

/**
 * Reads only sagas that have not ended, by partial indexes: the cost does not grow with history.
 */
export async function countSagas(
  sql: SagaSql,
  known: readonly { readonly kind: string; readonly version: number }[],
): Promise<SagaCounts> {
  const versions = known.map(({ kind, version }) => ({ kind, version }));
  const [counts] = await sql<SagaCounts[]>`
    with known as (select kind, version from jsonb_to_recordset(${sql.json(versions)}) as k(kind text, version int)),
    parked as (select kind, count(*) as sagas from sagas where state = 'NEEDS_ATTENTION' group by kind)
    select
      (select coalesce(jsonb_object_agg(kind, sagas), '{}') from parked) as parked,
      count(*)::int as open,
      (count(*) filter (where (kind, version) not in (select kind, version from known)))::int as unknown_version,
      coalesce(extract(epoch from now() - min(create_time)), 0)::float8 as oldest_open_age_seconds
    from sagas where state in ('RUNNING', 'COMPENSATING')`;
  if (counts === undefined) throw new Error("an aggregate query returned no row");
  return counts;
}

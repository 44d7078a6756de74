import type { SagaRecord, SagaState } from "@tercet/saga";
import type { Sql } from "@tercet/service";

/** A saga as operators see it. */
export interface SagaView extends SagaRecord {
  /** The name of the worker that holds it. */
  readonly ownerName: string | null;
}

export async function findSaga(sql: Sql, id: string): Promise<SagaView | undefined> {
  const [saga] = await sql<SagaView[]>`
    select s.*, w.name as owner_name from sagas s left join workers w on w.id = s.owner where s.id = ${id}`;
  return saga;
}

/** The saga that places this order. */
export async function findPlacingSaga(sql: Sql, orderId: string): Promise<SagaView | undefined> {
  const [saga] = await sql<SagaView[]>`
    select s.*, w.name as owner_name from sagas s left join workers w on w.id = s.owner where s.subject = ${orderId} and s.kind = 'place-order'`;
  return saga;
}

export interface SagaFilter {
  readonly state: SagaState | undefined;
  readonly kind: string;
}

/** Newest first. */
export async function listSagas(
  sql: Sql,
  { state, kind }: SagaFilter,
  after: string | undefined,
  limit: number,
): Promise<readonly SagaView[]> {
  return sql<SagaView[]>`
    select s.*, w.name as owner_name from sagas s left join workers w on w.id = s.owner
    where ${state === undefined ? sql`true` : sql`s.state = ${state}`}
      and ${kind === "" ? sql`true` : sql`s.kind = ${kind}`}
      and ${after === undefined ? sql`true` : sql`s.id < ${after}`}
    order by s.id desc limit ${limit}`;
}

export interface SagaCounts {
  /** By kind. */
  readonly parked: Readonly<Record<string, number>>;
  readonly open: number;
  /** Of the open ones, those of a kind or version that is not among the known. */
  readonly unknownVersion: number;
  /** In seconds; 0 when none is open. */
  readonly oldestOpenAge: number;
}

/**
 * Reads only what has not ended, by the indexes of that: it costs the same however many sagas there
 * were.
 */
export async function countSagas(
  sql: Sql,
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
      coalesce(extract(epoch from now() - min(create_time)), 0)::float8 as oldest_open_age
    from sagas where state in ('RUNNING', 'COMPENSATING')`;
  if (counts === undefined) throw new Error("an aggregate without a row");
  return counts;
}

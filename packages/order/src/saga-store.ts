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

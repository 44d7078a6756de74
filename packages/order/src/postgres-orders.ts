import {
  advance,
  beginSaga,
  beginSagas,
  eventsOf,
  type Fragment,
  type Move,
  moveRows,
  type NewSaga,
  type SagaFailure,
  type StoredEvents,
  toResults,
} from "@tercet/saga";
import {
  firstOf,
  type Money,
  type RequestRecord,
  type Sql,
  useRequest,
  useRequests,
} from "@tercet/service";
import {
  holdsStockDuring,
  LISTED_STATUSES,
  type NewOrder,
  type Order,
  type OrderStatus,
  type OrderWithTimeline,
  PLACE_ORDER,
  statusDuring,
} from "./order.ts";
import type { ItemRow, orders } from "./schema.ts";
import type { OrderFilter, OrderVersion } from "./store.ts";

type OrderRow = typeof orders.$inferSelect;

/** The oldest first; null if the order has none. */
interface SagasOfOrder extends Pick<OrderWithTimeline, "version"> {
  readonly sagas: readonly (StoredEvents & { readonly id: string })[] | null;
}

function toOrder(stored: OrderRow): Order {
  const { items, currencyCode, minorUnits, refundedMinorUnits, failure, listedStatus, ...row } =
    stored;
  const money = (minorUnits: bigint): Money => ({ currencyCode, minorUnits });
  return {
    ...row,
    items: items.map((item) => ({ ...item, unitPrice: money(BigInt(item.unitPrice)) })),
    total: money(minorUnits),
    refunded: money(refundedMinorUnits),
    failure: failure ?? undefined,
  };
}

const toItemRow = ({ unitPrice, ...item }: Order["items"][number]): ItemRow => ({
  ...item,
  unitPrice: unitPrice.minorUnits.toString(),
});

/** What `insertOrder` stores of one call. */
export interface Placement {
  readonly request: RequestRecord;
  readonly order: NewOrder;
  readonly saga: NewSaga;
}

/**
 * Of calls with different request ids; returns for each whether its order was placed. An item that
 * is not as its product is now, by name or price, is not.
 */
export async function insertOrders(
  sql: Sql,
  placements: readonly Placement[],
): Promise<readonly boolean[]> {
  const requests = placements.map(({ request }) => request);
  const sagas = placements.map(({ saga }) => saga);
  const given = placements.map(({ order: { items, total, ...order } }) => ({
    ...order,
    items: items.map(toItemRow),
    currencyCode: total.currencyCode,
    minorUnits: total.minorUnits.toString(),
  }));
  const rows = await sql<{ id: string }[]>`
    with given as (
      select * from jsonb_to_recordset(${sql.json(given)})
        as g(id uuid, "customerId" uuid, items jsonb, "currencyCode" text, "minorUnits" bigint, "paymentId" uuid)),
    outdated as (
      select g.id from given g
      cross join lateral jsonb_to_recordset(g.items) as i(sku text, name text, "unitPrice" bigint)
      left join products p on p.sku = i.sku
      where (p.name, p.minor_units, p.currency_code) is distinct from (i.name, i."unitPrice", g."currencyCode")),
    request as (${useRequests(sql, requests, sql`select id::text from given where id not in (select id from outdated)`)}),
    placed as (
      insert into orders (id, customer_id, status, items, currency_code, minor_units, payment_id)
      select g.id, g."customerId", 'PENDING', g.items, g."currencyCode", g."minorUnits", g."paymentId"
      from given g join request on request.resource_id = g.id::text
      returning id),
    begun as (${beginSagas(sql, sagas, sql`placed`)})
    select id from placed`;
  const placed = new Set(rows.map(({ id }) => id));
  return placements.map(({ order }) => placed.has(order.id));
}

/**
 * Locks products in the order of their SKUs, so that orders for the same products wait for each
 * other and never deadlock. The orders of one call take from the stock in turn.
 */
export async function confirmOrders(sql: Sql, moves: readonly Move[]) {
  const rows = await sql<{ sagaId: string; moved: boolean; short: string | null }[]>`
    with moves as (${moveRows(sql, moves)}),
    wanted as (
      select m."sagaId" as saga_id, i.sku, i.quantity
      from moves m
      join sagas s on s.id = m."sagaId" and s.fence = m.fence
      join orders o on o.id = s.subject
      cross join lateral jsonb_to_recordset(o.items) as i(sku text, quantity bigint)),
    held as (select sku, stock from products where sku in (select sku from wanted) order by sku for update),
    running as (select w.*, sum(quantity) over (partition by sku order by saga_id) as needed from wanted w),
    short as (select r.saga_id, min(r.sku) as sku from running r left join held h using (sku) where r.needed > coalesce(h.stock, 0) group by r.saga_id),
    moved as (${advance(sql, sql`m."sagaId" not in (select saga_id from short)`)}),
    taken as (
      update products p set stock = p.stock - t.quantity
      from (select sku, sum(quantity) as quantity from wanted join moved using (saga_id) group by sku) t
      where p.sku = t.sku),
    confirmed as (update orders o set status = 'CONFIRMED', update_time = now() from moved where o.id = moved.subject)
    select m."sagaId" as saga_id, moved.saga_id is not null as moved, short.sku as short
    from moves m left join moved on moved.saga_id = m."sagaId" left join short on short.saga_id = m."sagaId"`;
  const bySaga = new Map(rows.map((row) => [row.sagaId, row]));
  return moves.map(({ sagaId }) => {
    const { moved = false, short = null } = bySaga.get(sagaId) ?? {};
    return { sagaId, moved, ...(short !== null && { refused: outOfStock(short) }) };
  });
}

const outOfStock = (sku: string): SagaFailure => ({
  reason: "OUT_OF_STOCK",
  message: `there is not enough stock of ${sku}`,
});

export async function closeOrders(sql: Sql, moves: readonly Move[]) {
  const rows = await sql<{ sagaId: string }[]>`
    with moves as (${moveRows(sql, moves)}),
    moved as (${advance(sql)}),
    closed as (
      update orders o set
        status = case moved.failure ->> 'reason' when 'PAYMENT_DECLINED' then 'REJECTED' else 'CANCELLED' end,
        failure = moved.failure, update_time = now()
      from moved where o.id = moved.subject)
    select saga_id from moved`;
  return toResults(moves, rows);
}

export async function restockOrders(sql: Sql, moves: readonly Move[]) {
  const rows = await sql<{ sagaId: string }[]>`
    with moves as (${moveRows(sql, moves)}),
    moved as (${advance(sql)}),
    ${returnedStock(sql, sql`true`)},
    cancelled as (update orders o set status = 'CANCELLED', refunded_minor_units = minor_units, update_time = now() from moved where o.id = moved.subject)
    select saga_id from moved`;
  return toResults(moves, rows);
}

/**
 * Returns the common table expressions that return the stock of orders whose saga has `moved`, if
 * the condition `only` on `moved` holds.
 */
const returnedStock = (sql: Sql, only: Fragment) => sql`
    returned as (
      select i.sku, sum(i.quantity) as quantity
      from moved join orders o on o.id = moved.subject cross join lateral jsonb_to_recordset(o.items) as i(sku text, quantity bigint)
      where ${only} group by i.sku),
    held as (select sku from products where sku in (select sku from returned) order by sku for update),
    restocked as (update products p set stock = p.stock + r.quantity from held join returned r using (sku) where p.sku = held.sku)`;

export async function reflectMoves(sql: Sql, moves: readonly Move[], kind: string) {
  const rows = await sql<{ sagaId: string }[]>`
    with moves as (${moveRows(sql, moves)}), moved as (${advance(sql)}), reflected as (${reflected(sql, kind)}) select saga_id from moved`;
  return toResults(moves, rows);
}

function reflected(sql: Sql, kind: string) {
  return sql`
    update orders o set
      status = case moved.state
        when 'RUNNING' then ${statusDuring(kind, "RUNNING")}
        when 'COMPENSATING' then ${statusDuring(kind, "COMPENSATING")}
        when 'RESOLVED' then ${statusDuring(kind, "RESOLVED")}
        else ${statusDuring(kind, "NEEDS_ATTENTION")} end,
      failure = coalesce(moved.failure, o.failure),
      update_time = now()
    from moved where o.id = moved.subject`;
}

export async function intervene(sql: Sql, request: RequestRecord, move: Move, kind: string) {
  const rows = await sql`
    with moves as (${moveRows(sql, [move])}),
    still as (select s.id from sagas s join moves m on s.id = m."sagaId" and s.fence = m.fence and s.state = m."from" for update of s),
    request as (${useRequest(sql, request, sql`still`)}),
    moved as (${advance(sql, sql`exists (select from request)`)}),
    ${returnedStock(sql, sql`moved.state = 'RESOLVED' and ${holdsStockDuring(kind)}`)},
    reflected as (${reflected(sql, kind)})
    select saga_id from moved`;
  return rows.length > 0;
}

export async function cancelConfirmed(
  sql: Sql,
  request: RequestRecord,
  orderId: string,
  failure: SagaFailure,
  saga: NewSaga,
): Promise<boolean> {
  const rows = await sql`
    with target as (select id from orders where id = ${orderId} and status = 'CONFIRMED' for update),
    request as (${useRequest(sql, request, sql`target`)}),
    cancelling as (
      update orders set status = 'CANCELLING', failure = ${sql.json(failure)}, update_time = now()
      from request where id = ${orderId} returning id),
    begun as (${beginSaga(sql, saga, sql`cancelling`)})
    select id from cancelling`;
  return rows.length > 0;
}

/** Resolves to undefined for each id without an order. */
export async function findOrders(
  sql: Sql,
  ids: readonly string[],
): Promise<readonly (OrderWithTimeline | undefined)[]> {
  const rows = await sql<(OrderRow & SagasOfOrder)[]>`
    select o.*, s.sagas, concat(o.update_time, ' ', s.update_time) as version
    from jsonb_array_elements_text(${sql.json(ids)}) as w(id) join orders o on o.id = w.id::uuid
    cross join lateral (
      select max(s.update_time) as update_time,
        jsonb_agg(jsonb_build_object('id', s.id, 'events', s.events, 'history', s.history) order by s.create_time) as sagas
      from sagas s where s.subject = o.id) as s`;
  const found = new Map(rows.map((row) => [row.id, toOrderWithTimeline(row)]));
  return ids.map((id) => found.get(id));
}

function toOrderWithTimeline({ sagas, version, ...row }: OrderRow & SagasOfOrder) {
  const stored = sagas ?? [];
  return {
    ...toOrder(row),
    timeline: stored.flatMap(eventsOf),
    sagaIds: stored.map(({ id }) => id),
    version,
  };
}

export async function listOrders(
  sql: Sql,
  { customerId, status }: OrderFilter,
  after: string | undefined,
  limit: number,
): Promise<readonly Order[]> {
  const matches = sql`
    ${customerId === undefined ? sql`true` : sql`o.customer_id = ${customerId}`}
    and ${after === undefined ? sql`true` : sql`o.id < ${after}`}`;
  // By both columns of the index: the planner does not see that a column that is null is constant.
  const page = (where: Fragment) =>
    firstOf(
      sql,
      sql`
        select o.* from orders o where ${where} and ${matches}
        order by o.listed_status desc, o.id desc`,
      limit,
    );
  const newest = () =>
    firstOf(sql, sql`select o.* from orders o where ${matches} order by o.id desc`, limit);
  // A page of each status, which one index has in this order, makes up the page.
  const newestOfCustomer = () => sql`
    select * from (
      (${page(sql`o.listed_status is null`)})
      union all
      select listed.* from jsonb_array_elements_text(${sql.json(LISTED_STATUSES)}) as wanted
      cross join lateral (${page(sql`o.listed_status = wanted`)}) as listed) as o
    order by id desc limit ${limit}`;
  // An order is PENDING while the saga that places it is RUNNING. Materialized: the order by id
  // could make the database read all orders.
  const pending = () => sql`
    with running as materialized (
      select subject from sagas where state = 'RUNNING' and kind = ${PLACE_ORDER})
    select o.* from running r join orders o on o.id = r.subject
    where o.status = 'PENDING' and ${matches}
    order by o.id desc limit ${limit}`;
  const ofStatus = (status: OrderStatus) => {
    if (status === "PENDING") return pending();
    if (status === "CONFIRMED")
      return page(sql`o.listed_status is null and o.status = 'CONFIRMED'`);
    return page(sql`o.listed_status = ${status}`);
  };
  const all = () => (customerId === undefined ? newest() : newestOfCustomer());
  const rows = await sql<OrderRow[]>`${status === undefined ? all() : ofStatus(status)}`;
  return rows.map(toOrder);
}

export async function listVersions(sql: Sql, ids: readonly string[]) {
  return sql<OrderVersion[]>`
    select o.id, concat(o.update_time, ' ', max(s.update_time)) as version
    from orders o left join sagas s on s.subject = o.id
    where o.id in (select w::uuid from jsonb_array_elements_text(${sql.json(ids)}) as w)
    group by o.id`;
}

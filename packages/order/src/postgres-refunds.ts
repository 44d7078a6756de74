import type { Sql } from "@tercet/service";
import type { RefundedPayment } from "./order.ts";

export async function findFeed(sql: Sql, name: string): Promise<string | undefined> {
  const [feed] = await sql<{ pageToken: string }[]>`
    select page_token from feeds where name = ${name}`;
  return feed?.pageToken;
}

/** Locks orders by id, so that two replicas that record the same page never deadlock. */
export async function recordRefunds(
  sql: Sql,
  feed: string,
  pageToken: string,
  refunds: readonly RefundedPayment[],
): Promise<readonly string[]> {
  const given = refunds.map(({ refunded, ...refund }) => ({
    ...refund,
    ...refunded,
    minorUnits: refunded.minorUnits.toString(),
  }));
  const rows = await sql<{ id: string }[]>`
    with refunds as (
      select * from jsonb_to_recordset(${sql.json(given)}) as r("orderId" uuid, "paymentId" uuid, "currencyCode" text, "minorUnits" bigint)),
    changed as (
      select o.id, least(r."minorUnits", o.minor_units) as refunded
      from orders o join refunds r on r."orderId" = o.id and r."paymentId" = o.payment_id and r."currencyCode" = o.currency_code
      where o.refunded_minor_units < least(r."minorUnits", o.minor_units)
      order by o.id for update of o),
    read as (
      insert into feeds (name, page_token) values (${feed}, ${pageToken})
      on conflict (name) do update set page_token = excluded.page_token, update_time = now())
    update orders o set refunded_minor_units = c.refunded, update_time = now()
    from changed c where o.id = c.id
    returning o.id`;
  return rows.map(({ id }) => id);
}

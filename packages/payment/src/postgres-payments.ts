import { type Fragment, firstOf, type Sql } from "@tercet/service";
import {
  type Charge,
  type ChargeOutcome,
  type EventType,
  type NewRefund,
  type Payment,
  settledStatus,
} from "./payment.ts";
import { type Row, toPayment } from "./postgres-row.ts";
import {
  type Change,
  type ChangeKey,
  type PageKey,
  type PaymentFilter,
  UnknownPaymentError,
} from "./store.ts";

/** A new payment. */
export interface Opening {
  readonly id: string;
  readonly charge: Charge;
}

/** Of payments with different ids; returns undefined for each that exists. */
export async function insertPayments(
  sql: Sql,
  openings: readonly Opening[],
): Promise<readonly (Payment | undefined)[]> {
  const given = openings.map(({ id, charge: { amount, ...charge } }) => ({
    id,
    ...charge,
    currencyCode: amount.currencyCode,
    minorUnits: amount.minorUnits.toString(),
  }));
  const rows = await sql<Row[]>`
    insert into payments (id, status, order_id, customer_id, currency_code, minor_units,
      fingerprint, open_work, history)
    select g.id, 'PENDING', g."orderId", g."customerId", g."currencyCode", g."minorUnits",
      g.fingerprint, 1, ${event(sql, "CHARGE_REQUESTED")}
    from jsonb_to_recordset(${sql.json(given)}) as g(id uuid, "orderId" uuid, "customerId" uuid,
      "currencyCode" text, "minorUnits" bigint, fingerprint text)
    on conflict (id) do nothing
    returning *`;
  return inOrder(openings, rows);
}

/** A PENDING payment counts as attempted now. */
export async function reopenPayment(sql: Sql, id: string): Promise<Change> {
  const attempted = await sql<Row[]>`
    update payments set attempt_time = now(), charge_time = now()
    where id = ${id} and status = 'PENDING'
    returning *`;
  return { ...(await changeOf(sql, id, attempted)), changed: false };
}

/** The outcome of a payment's charge. */
export interface Settlement {
  readonly id: string;
  readonly outcome: ChargeOutcome;
}

/** Of payments with different ids; returns undefined for each that is not PENDING. */
export async function settlePayments(
  sql: Sql,
  settlements: readonly Settlement[],
): Promise<readonly (Payment | undefined)[]> {
  const given = settlements.map(({ id, outcome }) => {
    const change = { id, from: "PENDING", status: settledStatus(outcome) };
    return outcome.outcome === "approved"
      ? { ...change, type: "CHARGE_SUCCEEDED", reference: outcome.reference }
      : { ...change, type: "CHARGE_DECLINED", reason: outcome.reason };
  });
  // With the status in the statement's text, a plan may look for all payments in it (ADR 0107).
  const rows = await sql<Row[]>`
    update payments p set
      status = g.status,
      provider_reference = g.reference,
      decline_reason = g.reason,
      open_work = p.open_work - 1,
      history = p.history || ${line(sql, sql`g.type`)},
      update_time = now()
    from jsonb_to_recordset(${sql.json(given)})
      as g(id uuid, "from" text, status text, type text, reference text, reason text)
    where p.id = g.id and p.status = g."from"
    returning p.*`;
  return inOrder(settlements, rows);
}

/** The payments of these rows, in the order in which they were asked for. */
function inOrder(
  asked: readonly { readonly id: string }[],
  rows: readonly Row[],
): readonly (Payment | undefined)[] {
  const byId = new Map(rows.map((row) => [row.id, row]));
  return asked.map(({ id }) => {
    const row = byId.get(id);
    return row && toPayment(row);
  });
}

export async function abandon(sql: Sql, id: string, idleMs: number): Promise<Change> {
  const rows = await sql<Row[]>`
    update payments set
      status = 'DECLINED',
      decline_reason = 'ABANDONED',
      open_work = open_work - 1,
      watched = true,
      attempt_time = now(),
      history = history || ${event(sql, "CHARGE_DECLINED")},
      update_time = now()
    where id = ${id} and status = 'PENDING' and charge_time < ${ago(sql, idleMs)}
    returning *`;
  return changeOf(sql, id, rows);
}

export async function voidPayment(sql: Sql, id: string, reason: string): Promise<Change> {
  const rows = await sql<Row[]>`
    insert into payments (id, status, open_work, history)
    values (${id}, 'VOIDED', 0, ${event(sql, "VOIDED", reason)})
    on conflict (id) do nothing
    returning *`;
  return changeOf(sql, id, rows);
}

export async function recordLateCharge(
  sql: Sql,
  id: string,
  reference: string,
  refund: NewRefund,
): Promise<Change> {
  const rows = await sql<Row[]>`
    update payments set
      provider_reference = ${reference},
      watched = false,
      ${addRefund(sql, refund)},
      history = history || ${event(sql, "CHARGE_SUCCEEDED")}
        || ${event(sql, "REFUND_REQUESTED", refund.id)}
    where id = ${id} and status in ('DECLINED', 'VOIDED') and refunds = '{}'
    returning *`;
  return changeOf(sql, id, rows);
}

export async function reserveRefund(sql: Sql, id: string, refund: NewRefund): Promise<Change> {
  const rows = await sql<Row[]>`
    update payments set
      ${addRefund(sql, refund)},
      history = history || ${event(sql, "REFUND_REQUESTED", refund.id)}
    where id = ${id} and status in ('SUCCEEDED', 'PARTIALLY_REFUNDED')
      and not jsonb_exists(refunds, ${refund.id})
      and reserved_minor_units + ${String(refund.amount.minorUnits)}::bigint <= minor_units
    returning *`;
  return changeOf(sql, id, rows);
}

export async function settleRefund(sql: Sql, id: string, refundId: string): Promise<Change> {
  const refunded = sql`refunded_minor_units + case when status = 'VOIDED' then 0
    else (refunds #>> array[${refundId}, 'minorUnits'])::bigint end`;
  const rows = await sql<Row[]>`
    update payments set
      refunds = jsonb_set(refunds, array[${refundId}, 'status'], '"SUCCEEDED"'),
      refunded_minor_units = ${refunded},
      status = case
        when status not in ('SUCCEEDED', 'PARTIALLY_REFUNDED') then status
        when ${refunded} = minor_units then 'REFUNDED'
        else 'PARTIALLY_REFUNDED' end,
      open_work = open_work - 1,
      history = history || ${event(sql, "REFUND_SUCCEEDED", refundId)},
      update_time = now()
    where id = ${id} and refunds #>> array[${refundId}, 'status'] = 'PENDING'
    returning *`;
  return changeOf(sql, id, rows);
}

export async function markAttempted(sql: Sql, id: string): Promise<void> {
  await sql`update payments set attempt_time = now() where id = ${id}`;
}

export async function keepWatch(sql: Sql, id: string, forMs: number): Promise<void> {
  await sql`
    update payments set attempt_time = now(), watched = update_time > ${ago(sql, forMs)}
    where id = ${id} and watched`;
}

export async function getPayment(sql: Sql, id: string): Promise<Payment | undefined> {
  const [row] = await sql<Row[]>`select * from payments where id = ${id}`;
  return row && toPayment(row);
}

export async function listPayments(
  sql: Sql,
  { orderId, customerId, status }: PaymentFilter,
  after: PageKey | undefined,
  limit: number,
): Promise<Payment[]> {
  const ordered: Fragment = sql`
    ${selectWithoutEvents(sql)}
    where true
      ${orderId === undefined ? sql`` : sql`and order_id = ${orderId}`}
      ${customerId === undefined ? sql`` : sql`and customer_id = ${customerId}`}
      ${status === undefined ? sql`` : sql`and status = ${status}`}
      ${after === undefined ? sql`` : sql`and (create_time, id) < (${after.createTime}, ${after.id}::uuid)`}
    order by create_time desc nulls last, id desc nulls last`;
  // Which index serves a status depends on how rare it is: planned for each.
  const rows = await sql<Row[]>`${
    status === undefined ? firstOf(sql, ordered, limit) : sql`${ordered} limit ${limit}`
  }`;
  return rows.map(toPayment);
}

export async function listRefunded(
  sql: Sql,
  after: ChangeKey | undefined,
  ageMs: number,
  limit: number,
): Promise<Payment[]> {
  const ordered: Fragment = sql`
    ${selectWithoutEvents(sql)}
    where refunded_minor_units > 0 and update_time < ${ago(sql, ageMs)}
      ${after === undefined ? sql`` : sql`and (update_time, id) > (${after.updateTime}, ${after.id}::uuid)`}
    order by update_time, id`;
  const rows = await sql<Row[]>`${firstOf(sql, ordered, limit)}`;
  return rows.map(toPayment);
}

const selectWithoutEvents = (sql: Sql) => sql`
  select id, status, order_id, customer_id, currency_code, minor_units, fingerprint, refunds,
    decline_reason, provider_reference, '[]'::jsonb as events, '' as history, create_time, update_time
  from payments`;

export async function pendingSince(sql: Sql, ageMs: number, limit: number): Promise<Payment[]> {
  const rows = await sql<Row[]>`
    select * from payments where open_work > 0 and attempt_time < ${ago(sql, ageMs)}
    order by attempt_time limit ${limit}`;
  return rows.map(toPayment);
}

export async function watchedSince(sql: Sql, ageMs: number, limit: number): Promise<Payment[]> {
  const rows = await sql<Row[]>`
    select * from payments where watched and attempt_time < ${ago(sql, ageMs)}
    order by attempt_time limit ${limit}`;
  return rows.map(toPayment);
}

/** The payment as it is, which a conditional statement did not change. */
export async function unchanged(sql: Sql, id: string): Promise<Change> {
  const payment = await getPayment(sql, id);
  if (payment === undefined) throw new UnknownPaymentError(id);
  return { payment, changed: false };
}

/** The row that a conditional statement changed, or else the row as it is. */
async function changeOf(sql: Sql, id: string, rows: readonly Row[]): Promise<Change> {
  if (rows[0] !== undefined) return { payment: toPayment(rows[0]), changed: true };
  return await unchanged(sql, id);
}

const ago = (sql: Sql, ms: number) => sql`now() - ${ms} * interval '1 millisecond'`;

/** A line of a payment's history: see `eventsOf`. */
const event = (sql: Sql, type: EventType, detail?: string) =>
  line(
    sql,
    sql`${type}::text`,
    detail === undefined ? sql`''` : sql`',' || to_json(${detail}::text)`,
  );

const line = (sql: Sql, type: Fragment, detail: Fragment = sql`''`) =>
  sql`'[' || (extract(epoch from now()) * 1000)::bigint || ',"' || ${type} || '"' || ${detail} || e']\\n'`;

/** The sums stay 0 on a tombstone: they are bounded by a capture, which it does not have. */
function addRefund(sql: Sql, { id, amount, reason, fingerprint }: NewRefund) {
  const minorUnits = String(amount.minorUnits);
  const refund = { ...amount, minorUnits, id, reason, fingerprint, status: "PENDING" };
  return sql`
    refunds = refunds || jsonb_build_object(${id}::text, ${sql.json(refund)}::jsonb || jsonb_build_object('createTime', now())),
    reserved_minor_units = reserved_minor_units + case when status = 'VOIDED' then 0 else ${minorUnits}::bigint end,
    open_work = open_work + 1,
    attempt_time = now(),
    update_time = now()`;
}

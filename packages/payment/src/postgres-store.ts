import { connectPostgres, pingPostgres, type Sql } from "@tercet/service";
import {
  type Charge,
  type ChargeOutcome,
  type EventType,
  type Payment,
  type RefundRequest,
  settledStatus,
} from "./payment.ts";
import { type Row, toPayment } from "./postgres-row.ts";
import {
  type Change,
  type PageKey,
  type PaymentFilter,
  type PaymentStore,
  UnknownPaymentError,
} from "./store.ts";

/**
 * Payments in PostgreSQL, one row each. Every change is one statement; the schema's checks stand
 * behind its conditions.
 */
export class PostgresPaymentStore implements PaymentStore {
  readonly #sql: Sql;
  /** The same, for what must be recorded once the provider has been asked. */
  readonly #work: Sql;

  /** `url` is a postgres:// URL of a migrated database. */
  constructor(url: string, poolSize?: number) {
    this.#sql = connectPostgres(url, { applicationName: "payment", max: poolSize });
    this.#work = this.#sql.priority("work");
  }

  async open(id: string, charge: Charge): Promise<Change> {
    const { orderId, customerId, amount, fingerprint } = charge;
    const opened = await this.#sql<Row[]>`
      insert into payments (id, status, order_id, customer_id, currency_code, minor_units, fingerprint, open_work, events)
      values (${id}, 'PENDING', ${orderId}, ${customerId}, ${amount.currencyCode}, ${String(amount.minorUnits)}, ${fingerprint}, 1,
        ${this.#events("CHARGE_REQUESTED", "")})
      on conflict (id) do nothing
      returning *`;
    if (opened[0] !== undefined) return { payment: toPayment(opened[0]), changed: true };
    const attempted = await this.#sql<
      Row[]
    >`update payments set attempt_time = now(), charge_time = now() where id = ${id} and status = 'PENDING' returning *`;
    return { ...(await this.#changeOf(id, attempted)), changed: false };
  }

  async settle(id: string, outcome: ChargeOutcome): Promise<Change> {
    const approved = outcome.outcome === "approved";
    const rows = await this.#work<Row[]>`
      update payments set
        status = ${settledStatus(outcome)},
        provider_reference = ${approved ? outcome.reference : null},
        decline_reason = ${approved ? null : outcome.reason},
        open_work = open_work - 1,
        events = events || ${approved ? this.#events("CHARGE_SUCCEEDED", outcome.reference) : this.#events("CHARGE_DECLINED", outcome.reason)},
        update_time = now()
      where id = ${id} and status = 'PENDING'
      returning *`;
    return this.#changeOf(id, rows);
  }

  async abandon(id: string, unattendedMs: number): Promise<Change> {
    const rows = await this.#work<Row[]>`
      update payments set
        status = 'DECLINED',
        decline_reason = 'ABANDONED',
        open_work = open_work - 1,
        watched = true,
        attempt_time = now(),
        events = events || ${this.#events("CHARGE_DECLINED", "ABANDONED")},
        update_time = now()
      where id = ${id} and status = 'PENDING' and charge_time < now() - ${unattendedMs} * interval '1 millisecond'
      returning *`;
    return this.#changeOf(id, rows);
  }

  async void(id: string, reason: string): Promise<Change> {
    const rows = await this.#sql<Row[]>`
      insert into payments (id, status, open_work, events)
      values (${id}, 'VOIDED', 0, ${this.#events("VOIDED", reason)})
      on conflict (id) do nothing
      returning *`;
    return this.#changeOf(id, rows);
  }

  async recordLateCharge(id: string, reference: string, refund: RefundRequest): Promise<Change> {
    const rows = await this.#work<Row[]>`
      update payments set
        provider_reference = ${reference},
        watched = false,
        ${this.#addRefund(refund)},
        events = events || ${this.#events("CHARGE_SUCCEEDED", reference)} || ${this.#events("REFUND_REQUESTED", refund.id)}
      where id = ${id} and status in ('DECLINED', 'VOIDED') and not jsonb_exists(refunds, ${refund.id})
      returning *`;
    return this.#changeOf(id, rows);
  }

  async reserveRefund(id: string, refund: RefundRequest): Promise<Change> {
    const rows = await this.#sql<Row[]>`
      update payments set ${this.#addRefund(refund)}, events = events || ${this.#events("REFUND_REQUESTED", refund.id)}
      where id = ${id} and status in ('SUCCEEDED', 'PARTIALLY_REFUNDED') and not jsonb_exists(refunds, ${refund.id})
        and reserved_minor_units + ${String(refund.minorUnits)}::bigint <= minor_units
      returning *`;
    return this.#changeOf(id, rows);
  }

  async settleRefund(id: string, refundId: string): Promise<Change> {
    const refunded = this
      .#sql`refunded_minor_units + (refunds #>> array[${refundId}, 'minorUnits'])::bigint`;
    const rows = await this.#work<Row[]>`
      update payments set
        refunds = jsonb_set(refunds, array[${refundId}, 'status'], '"SUCCEEDED"'),
        refunded_minor_units = ${refunded},
        status = case
          when status not in ('SUCCEEDED', 'PARTIALLY_REFUNDED') then status
          when ${refunded} = minor_units then 'REFUNDED'
          else 'PARTIALLY_REFUNDED' end,
        open_work = open_work - 1,
        events = events || ${this.#events("REFUND_SUCCEEDED", refundId)},
        update_time = now()
      where id = ${id} and refunds #>> array[${refundId}, 'status'] = 'PENDING'
      returning *`;
    return this.#changeOf(id, rows);
  }

  async markAttempted(id: string): Promise<void> {
    await this.#work`update payments set attempt_time = now() where id = ${id}`;
  }

  async keepWatch(id: string, forMs: number): Promise<void> {
    await this.#work`
      update payments set attempt_time = now(), watched = update_time > now() - ${forMs} * interval '1 millisecond'
      where id = ${id} and watched`;
  }

  async get(id: string): Promise<Payment | undefined> {
    const [row] = await this.#sql<Row[]>`select * from payments where id = ${id}`;
    return row && toPayment(row);
  }

  async list(filter: PaymentFilter, after: PageKey | undefined, limit: number): Promise<Payment[]> {
    const { orderId, customerId, status } = filter;
    const sql = this.#sql;
    const rows = await sql<Row[]>`
      select id, status, order_id, customer_id, currency_code, minor_units, fingerprint, refunds, decline_reason, provider_reference,
        '[]'::jsonb as events, create_time, update_time
      from payments
      where true
        ${orderId === undefined ? sql`` : sql`and order_id = ${orderId}`}
        ${customerId === undefined ? sql`` : sql`and customer_id = ${customerId}`}
        ${status === undefined ? sql`` : sql`and status = ${status}`}
        ${after === undefined ? sql`` : sql`and (create_time, id) < (${after.createTime}, ${after.id}::uuid)`}
      order by create_time desc nulls last, id desc nulls last
      limit ${limit}`;
    return rows.map(toPayment);
  }

  async pendingSince(ageMs: number, limit: number): Promise<Payment[]> {
    const rows = await this.#work<Row[]>`
      select * from payments
      where open_work > 0 and attempt_time < now() - ${ageMs} * interval '1 millisecond'
      order by attempt_time
      limit ${limit}`;
    return rows.map(toPayment);
  }

  async watchedSince(ageMs: number, limit: number): Promise<Payment[]> {
    const rows = await this.#sql<Row[]>`
      select * from payments
      where watched and attempt_time < now() - ${ageMs} * interval '1 millisecond'
      order by attempt_time
      limit ${limit}`;
    return rows.map(toPayment);
  }

  async ping(): Promise<void> {
    await pingPostgres(this.#sql);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#sql.end({ timeout: 1 });
  }

  /** What came of a conditional statement: the row it changed, or the row as it stands. */
  async #changeOf(id: string, rows: readonly Row[]): Promise<Change> {
    if (rows[0] !== undefined) return { payment: toPayment(rows[0]), changed: true };
    const payment = await this.get(id);
    if (payment === undefined) throw new UnknownPaymentError(id);
    return { payment, changed: false };
  }

  #events(type: EventType, detail: string) {
    return this
      .#sql`jsonb_build_array(jsonb_build_object('time', now(), 'type', ${type}::text, 'detail', ${detail}::text))`;
  }

  #addRefund({ id, minorUnits, reason, fingerprint }: RefundRequest) {
    const refund = { id, minorUnits: String(minorUnits), reason, fingerprint, status: "PENDING" };
    return this.#sql`
      refunds = refunds || jsonb_build_object(${id}::text, ${this.#sql.json(refund)}::jsonb || jsonb_build_object('createTime', now())),
      reserved_minor_units = reserved_minor_units + ${String(minorUnits)}::bigint,
      open_work = open_work + 1,
      attempt_time = now(),
      update_time = now()`;
  }
}

import type { OrderStatus } from "@tercet/gen/order/v1/order_service";
import {
  type BookEntry,
  connectPaymentStore,
  type PaymentStore,
  readBook,
  refundedMinorUnits,
} from "@tercet/payment";
import { eventsOf, type StoredEvents } from "@tercet/saga";
import { connectPostgres, findSystem, type Sql } from "@tercet/service";

export interface OrderRow {
  readonly id: string;
  readonly status: keyof typeof OrderStatus;
  readonly currencyCode: string;
  readonly minorUnits: bigint;
  /** Of `minorUnits`, as the order shows it. */
  readonly refundedMinorUnits: bigint;
  readonly customerId: string;
  readonly paymentId: string;
  /** Since it was placed, by the database's clock. */
  readonly ageMs: number;
  readonly updateTime: Date;
}

export interface SagaRow {
  readonly id: string;
  readonly kind: string;
  readonly version: number;
  readonly subject: string;
  readonly state: string;
  /** Since it began, by the database's clock. */
  readonly ageMs: number;
  readonly events: readonly SagaEventRow[];
}

export interface SagaEventRow {
  /** ISO 8601. */
  readonly time: string;
  readonly step: string;
  readonly action: "RUN" | "UNDO";
  readonly outcome: string;
  readonly message: string;
  readonly worker: string;
}

export interface PaymentRow {
  readonly id: string;
  readonly status: string;
  /** Whether a charge or a refund is not settled with the provider yet. */
  readonly waits: boolean;
  /** Sum of the refunds that succeeded and that Order can learn of; 0 on a tombstone. */
  readonly refundedMinorUnits: bigint;
  readonly updateTime: Date;
}

export interface RequestRow {
  readonly caller: string;
  readonly requestId: string;
  readonly method: string;
  readonly resourceId: string;
}

/** All that is stored, and the provider's book, which none of our services can rewrite. */
export interface Snapshot {
  readonly orders: readonly OrderRow[];
  readonly sagas: readonly SagaRow[];
  readonly requests: readonly RequestRow[];
  readonly payments: readonly PaymentRow[];
  readonly book: readonly BookEntry[];
  /** The system that each database belongs to; undefined before its first start. */
  readonly systems: { readonly order: string | undefined; readonly payment: string | undefined };
}

export interface Sources {
  /** `payment` is the URL of a PostgreSQL or a MongoDB. */
  readonly databaseUrls: { readonly order: string; readonly payment: string };
  /** The folder of the simulated provider's book; a real provider has statements instead. */
  readonly bookDir: string;
}

const PAGE = 1_000;

/** Reads everything into memory: some hundred bytes for each order. */
export async function readSnapshot({ databaseUrls, bookDir }: Sources): Promise<Snapshot> {
  const sql = connectPostgres(databaseUrls.order, { max: 1, applicationName: "tercet-audit" });
  await using store = await connectPaymentStore(databaseUrls.payment);
  try {
    return {
      orders: await sql<OrderRow[]>`
        select id, status, currency_code, minor_units, refunded_minor_units, customer_id, payment_id,
          (extract(epoch from now() - create_time) * 1000)::float8 as age_ms, update_time
        from orders order by id`,
      sagas: await readSagas(sql),
      requests: await sql<
        RequestRow[]
      >`select caller, request_id, method, resource_id from requests`,
      payments: await readPayments(store),
      book: await readBook(bookDir),
      systems: { order: await findSystem(sql), payment: await store.findSystem() },
    };
  } finally {
    await sql.end({ timeout: 1 });
  }
}

async function readSagas(sql: Sql): Promise<SagaRow[]> {
  const rows = await sql<(Omit<SagaRow, "events"> & StoredEvents)[]>`
    select id, kind, version, subject, state, events, history,
      (extract(epoch from now() - create_time) * 1000)::float8 as age_ms
    from sagas order by id`;
  return rows.map(({ events, history, ...saga }) => ({
    ...saga,
    events: eventsOf({ events, history }),
  }));
}

async function readPayments(store: PaymentStore): Promise<PaymentRow[]> {
  const rows: PaymentRow[] = [];
  const all = { orderId: undefined, customerId: undefined, status: undefined };
  for (let after: { createTime: Date; id: string } | undefined; ; ) {
    const page = await store.list(all, after, PAGE);
    for (const payment of page) {
      const { id, status, refunds, updateTime } = payment;
      rows.push({
        id,
        status,
        updateTime,
        refundedMinorUnits: payment.charge === undefined ? 0n : refundedMinorUnits(payment),
        waits: status === "PENDING" || refunds.some((refund) => refund.status === "PENDING"),
      });
    }
    after = page.at(-1);
    if (page.length < PAGE) return rows;
  }
}

import type { OrderStatus } from "@tercet/gen/order/v1/order_service";
import { type BookEntry, connectPaymentStore, readBook } from "@tercet/payment";
import { connectPostgres } from "@tercet/service";

export interface OrderRow {
  readonly id: string;
  readonly status: keyof typeof OrderStatus;
  readonly currencyCode: string;
  readonly minorUnits: bigint;
  readonly paymentId: string;
  readonly updateTime: Date;
}

export interface SagaRow {
  readonly id: string;
  readonly kind: "place-order" | "cancel-order";
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
  readonly updateTime: Date;
}

export interface RequestRow {
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
  try {
    return {
      orders: await sql<OrderRow[]>`
        select id, status, currency_code, minor_units, payment_id, update_time
        from orders order by id`,
      sagas: await sql<SagaRow[]>`
        select id, kind, subject, state, events,
          (extract(epoch from now() - create_time) * 1000)::float8 as age_ms
        from sagas order by id`,
      requests: await sql<RequestRow[]>`select request_id, method, resource_id from requests`,
      payments: await readPayments(databaseUrls.payment),
      book: await readBook(bookDir),
    };
  } finally {
    await sql.end({ timeout: 1 });
  }
}

async function readPayments(url: string): Promise<PaymentRow[]> {
  await using store = await connectPaymentStore(url);
  const rows: PaymentRow[] = [];
  const all = { orderId: undefined, customerId: undefined, status: undefined };
  for (let after: { createTime: Date; id: string } | undefined; ; ) {
    const page = await store.list(all, after, PAGE);
    for (const { id, status, refunds, updateTime } of page)
      rows.push({
        id,
        status,
        updateTime,
        waits: status === "PENDING" || refunds.some((refund) => refund.status === "PENDING"),
      });
    after = page.at(-1);
    if (page.length < PAGE) return rows;
  }
}

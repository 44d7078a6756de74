import postgres from "postgres";
import { PRODUCTS } from "./products.ts";

/** So few that a page of a customer's orders is full in small tables too. */
export const CUSTOMERS = 40;
/** Payments that wait for the provider, and that are watched, whatever the number of all. */
const OPEN = 16;
/** Rows of one statement: progress is shown in between. */
const CHUNK = 250_000;
/** The newest order is from now; each is a minute older than the next. */
const MINUTE_MS = 60_000;

/** Orders in the tables, and where they are. */
export interface Tables {
  readonly size: number;
  readonly orderUrl: string;
  readonly paymentUrl: string;
}

export const customer = (n: number): string =>
  `00000000-0000-4000-8000-${String(n).padStart(12, "0")}`;

// Expressions of order `n`, from 1 to the number of orders: the same in both databases.
const CUSTOMER = `('00000000-0000-4000-8000-' || lpad((n % ${CUSTOMERS})::text, 12, '0'))::uuid`;
/** Version 4, as ids of requests and payments: without order. */
const random = (what: string) => `md5('${what}' || n)::uuid`;
const PAYMENT = random("payment");
const isRefused = "n % 10 = 0";
const isRefunded = "n % 100 = 1";

/** Version 7, by the order's time. */
const idOf = (what: string, end: number) => `
  (lpad(to_hex(${end} + n * ${MINUTE_MS}), 12, '0') || '7' || substr(md5('${what}' || n), 1, 3) ||
    '8' || substr(md5('${what}' || n), 4, 15))::uuid`;

/**
 * Fills the tables of both services with orders that ended, their sagas, request ids and payments:
 * one in ten was refused, one in a hundred refunded. By set-based statements, and with indexes
 * built at the end: for a database that is thrown away.
 */
export async function seed(
  { size, orderUrl, paymentUrl }: Tables,
  signal: AbortSignal,
  onProgress: (line: string) => void,
): Promise<void> {
  const base = Date.now() - size * MINUTE_MS;
  const ORDER = idOf("order", base);
  const time = `to_timestamp((${base} + n * ${MINUTE_MS}::bigint) / 1000.0)`;
  const done = new Map<string, number>();
  const fill = async (url: string, table: string, columns: string, values: string) => {
    await using sql = connectUnlimited(url);
    const rebuild = await dropIndexes(sql, table);
    for (let from = 0; from < size; from += CHUNK) {
      signal.throwIfAborted();
      const to = Math.min(from + CHUNK, size);
      await sql.unsafe(
        `insert into ${table} (${columns}) select ${values} from generate_series(${from + 1}::bigint, ${to}::bigint) n`,
      );
      done.set(table, to);
      const shown = [...done].map(([name, rows]) => `${name} ${rows}`).join(", ");
      onProgress(`seeding ${size} orders: ${shown}`);
    }
    for (const statement of rebuild) {
      signal.throwIfAborted();
      onProgress(`seeding ${size} orders: indexes of ${table}`);
      await sql.unsafe(statement);
    }
    // What autovacuum would do while others measure.
    await sql.unsafe(`vacuum (analyze) ${table}`);
  };
  await seedProducts(orderUrl);
  await Promise.all([
    fill(
      orderUrl,
      "orders",
      "id, customer_id, status, items, currency_code, minor_units, payment_id, failure, create_time, update_time",
      `${ORDER}, ${CUSTOMER}, case when ${isRefused} then 'REJECTED' else 'CONFIRMED' end,
        '[{"sku": "BENCH-1", "name": "Benchmark 1", "quantity": 1, "unitPrice": "1999"}]', 'EUR', 1999, ${PAYMENT},
        case when ${isRefused} then '{"reason": "PAYMENT_DECLINED", "message": "declined"}'::jsonb end, ${time}, ${time}`,
    ),
    fill(
      orderUrl,
      "sagas",
      "id, kind, version, subject, state, step, input, fairness_key, fence, next_run_at, deadline_at, history, create_time, update_time",
      `${idOf("saga", base)}, 'place-order', 1, ${ORDER}, case when ${isRefused} then 'COMPENSATED' else 'COMPLETED' end, 'allocate', '{}',
        ${CUSTOMER}::text, 1, ${time}, ${time}, '[1764325678123,"host:1",[0,"create",0]]' || e'\\n' || '[1764325678223,"host:1",[9,"charge",80],[0,"allocate",9]]' || e'\\n', ${time}, ${time}`,
    ),
    fill(
      orderUrl,
      "requests",
      "caller, request_id, method, fingerprint, resource_id",
      `${CUSTOMER}::text, ${random("request")}, 'CreateOrder', repeat('f', 64), ${ORDER}::text`,
    ),
    fill(
      paymentUrl,
      "payments",
      `id, status, order_id, customer_id, currency_code, minor_units, fingerprint, reserved_minor_units, refunded_minor_units,
        refunds, decline_reason, provider_reference, history, open_work, watched, attempt_time, charge_time, create_time, update_time`,
      `${PAYMENT}, case when n <= ${OPEN} then 'PENDING' when ${isRefused} or n <= ${2 * OPEN} then 'DECLINED' when ${isRefunded} then 'REFUNDED' else 'SUCCEEDED' end,
        ${ORDER}, ${CUSTOMER}, 'EUR', 1999, repeat('f', 64), ${onlyIf(isRefunded, "1999", "0")}, ${onlyIf(isRefunded, "1999", "0")},
        ${onlyIf(isRefunded, refundsOf, "'{}'")},
        case when n between ${OPEN + 1} and ${2 * OPEN} then 'ABANDONED' when n > ${OPEN} and ${isRefused} then 'CARD_DECLINED' end,
        case when n > ${2 * OPEN} and not ${isRefused} then ${random("reference")}::text end,
        '[1764325678123,"CHARGE_REQUESTED"]' || e'\\n' || '[1764325678223,"CHARGE_SUCCEEDED"]' || e'\\n',
        case when n <= ${OPEN} then 1 else 0 end, n between ${OPEN + 1} and ${2 * OPEN}, ${time}, ${time}, ${time}, ${time}`,
    ),
  ]);
}

const onlyIf = (condition: string, then: string, otherwise: string) =>
  `case when n > ${2 * OPEN} and ${condition} then ${then} else ${otherwise} end`;

const refundsOf = `jsonb_build_object('refund-1', jsonb_build_object('id', 'refund-1', 'currencyCode', 'EUR',
  'minorUnits', '1999', 'reason', '', 'fingerprint', 'f', 'status', 'SUCCEEDED', 'createTime', now()))`;

/** Connects without the limits of a service's session. */
export function connectUnlimited(url: string) {
  const sql = postgres(url, {
    max: 1,
    fetch_types: false,
    onnotice: () => {},
    connection: { maintenance_work_mem: "512MB", synchronous_commit: "off" },
  });
  return Object.assign(sql, { [Symbol.asyncDispose]: () => sql.end({ timeout: 1 }) });
}

async function seedProducts(url: string): Promise<void> {
  await using sql = connectUnlimited(url);
  for (const { sku, name, price } of PRODUCTS)
    await sql`
      insert into products (sku, name, description, currency_code, minor_units, stock)
      values (${sku}, ${name}, '', ${price.currencyCode}, ${price.minorUnits.toString()}::bigint, 1000000000)`;
}

/** Drops a table's indexes; resolves to the statements that build them again. */
async function dropIndexes(sql: postgres.Sql, table: string): Promise<readonly string[]> {
  const indexes = await sql<{ name: string; key: string | null; definition: string }[]>`
    select i.indexrelid::regclass::text as name, pg_get_constraintdef(c.oid) as key, pg_get_indexdef(i.indexrelid) as definition
    from pg_index i left join pg_constraint c on c.conindid = i.indexrelid where i.indrelid = ${table}::regclass`;
  for (const { name, key } of indexes)
    await sql.unsafe(
      key === null ? `drop index ${name}` : `alter table ${table} drop constraint ${name}`,
    );
  return indexes.map(({ name, key, definition }) =>
    key === null ? definition : `alter table ${table} add constraint ${name} ${key}`,
  );
}

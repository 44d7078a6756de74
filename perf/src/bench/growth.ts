import { orderMigrations, type PlaceInput, placeOrderSaga, postgresStore } from "@tercet/order";
import { countSagas, createSagaEngine, postgresSagaStore } from "@tercet/saga";
import { connectPostgres, migratePostgres, type Sql, toMoneyJson } from "@tercet/service";
import { v7 as uuidv7 } from "uuid";
import { compareAll, median } from "./compare.ts";
import { freeze, startBenchStack } from "./processes.ts";
import { anyProduct, PRODUCTS } from "./products.ts";
import type { Results } from "./report.ts";
import type { BenchOptions } from "./rounds.ts";

interface Round {
  readonly medianMs: number;
}

const FIGURES = { "median, ms": ({ medianMs }: Round) => medianMs };
const SMALL = 10_000;
/** Rows of one seeding statement, which must stay within a session's limits. */
const CHUNK = 10_000;
/** So few that a page of a customer's orders is full in the small tables too. */
const CUSTOMERS = 40;
const CALLS = 100;

/**
 * Measures what Order's statements cost with ten thousand orders in the tables, and with `orders`;
 * both in one PostgreSQL, in turn. Nothing else runs.
 */
export async function benchGrowth(options: BenchOptions, orders: number): Promise<Results> {
  const { rounds, signal, onProgress } = options;
  await using resources = new AsyncDisposableStack();
  onProgress("starting a stack");
  const stack = resources.use(await startBenchStack(options, "growth"));
  const pids = Object.values(stack.services).map(({ pid }) => pid ?? 0);
  freeze(pids, resources);
  const databases = [];
  for (const size of [SMALL, orders]) {
    const url = new URL(stack.databaseUrls.order);
    const own = connectPostgres(url.href, { applicationName: "bench", max: 1 });
    await own.unsafe(`create database growth_${size}`);
    await own.end();
    url.pathname = `/growth_${size}`;
    await migratePostgres(url.href, orderMigrations);
    const sql = connectPostgres(url.href, { applicationName: "bench", max: 1 });
    resources.defer(() => sql.end({ timeout: 1 }));
    for (let from = 0; from < size; from += CHUNK) {
      signal.throwIfAborted();
      onProgress(`seeding ${from} of ${size} orders`);
      await seed(sql, from, Math.min(CHUNK, size - from));
    }
    const bytes = await bytesOf(sql);
    databases.push({ variant: `${size} orders`, size, bytes, statements: await statementsOf(sql) });
  }
  const [first] = databases;
  const names = Object.keys(first?.statements ?? {});
  const results = names.map((name) => [name, new Map<string, Round[]>()] as const);
  for (let round = 0; round <= rounds; round++)
    for (const [name, byVariant] of results)
      for (const { variant, statements } of databases) {
        signal.throwIfAborted();
        onProgress(`round ${round} of ${rounds}: ${name}, ${variant}`);
        const measured = { medianMs: await medianMs(statements[name] ?? (async () => {})) };
        // Round 0 is the warm-up.
        if (round > 0) byVariant.set(variant, [...(byVariant.get(variant) ?? []), measured]);
      }
  const onDisk = databases.map(({ variant, size, bytes }) => [variant, [bytes / size]]);
  return {
    ...Object.fromEntries(
      results.map(([name, byVariant]) => [
        name,
        compareAll<Round>(Object.fromEntries(byVariant), FIGURES),
      ]),
    ),
    "an order on disk": compareAll<number>(Object.fromEntries(onDisk), {
      "bytes, with indexes": (bytes) => bytes,
    }),
  };
}

/** The size of orders, their sagas and their request ids. */
async function bytesOf(sql: Sql): Promise<number> {
  const [{ bytes } = { bytes: 0 }] = await sql<{ bytes: number }[]>`
    select sum(pg_total_relation_size(name::regclass))::float8 as bytes from unnest('{orders,sagas,requests}'::text[]) as name`;
  return bytes;
}

async function medianMs(run: () => Promise<unknown>): Promise<number> {
  const times: number[] = [];
  for (let call = 0; call < CALLS; call++) {
    const start = performance.now();
    await run();
    times.push(performance.now() - start);
  }
  return median(times);
}

const customer = (n: number): string => `00000000-0000-4000-8000-${String(n).padStart(12, "0")}`;

/** Orders that ended, a minute apart, with their sagas and requests: one in ten was refused. */
async function seed(sql: Sql, from: number, count: number): Promise<void> {
  if (from === 0)
    for (const { sku, name, price } of PRODUCTS)
      await sql`
        insert into products (sku, name, description, currency_code, minor_units, stock)
        values (${sku}, ${name}, '', ${price.currencyCode}, ${price.minorUnits.toString()}::bigint, 1000000000)`;
  await sql`
    with n as (select n, uuidv7(n * interval '1 minute' - interval '30 years') as id from generate_series(${from}::int + 1, ${from + count}::int) n),
    placed as (
      insert into orders (id, customer_id, status, items, currency_code, minor_units, payment_id, failure)
      select id, ('00000000-0000-4000-8000-' || lpad((n % ${CUSTOMERS}::int)::text, 12, '0'))::uuid,
        case n % 10 when 0 then 'REJECTED' else 'CONFIRMED' end,
        jsonb_build_array(jsonb_build_object('sku', 'BENCH-1', 'name', 'Benchmark 1', 'quantity', 1, 'unitPrice', '1999')),
        'EUR', 1999, gen_random_uuid(), case n % 10 when 0 then '{"reason": "PAYMENT_DECLINED", "message": "declined"}'::jsonb end
      from n returning id, customer_id, status),
    used as (
      insert into requests (caller, request_id, method, fingerprint, resource_id, create_time)
      select customer_id::text, gen_random_uuid(), 'CreateOrder', repeat('f', 64), id::text, now() from placed)
    insert into sagas (id, kind, version, subject, state, step, input, fairness_key, fence, deadline_at, history)
    select gen_random_uuid(), 'place-order', 1, id, case status when 'CONFIRMED' then 'COMPLETED' else 'COMPENSATED' end, 'allocate', '{}',
      customer_id::text, 1, now(), '[1764325678123,"host:1",[0,"create",0]]' || e'\n' || '[1764325678223,"host:1",[9,"charge",80],[0,"allocate",9]]' || e'\n'
    from placed`;
}

/** What Order asks its database for. */
async function statementsOf(sql: Sql) {
  const store = postgresStore(sql);
  const sagas = postgresSagaStore(sql);
  const times = { deadlineMs: 120_000, compensationBudgetMs: 120_000 };
  const definition = placeOrderSaga({ orders: store, payments: {} as never, times });
  const engine = createSagaEngine({ store: sagas, definitions: [] });
  const known = definition.steps.map(({ name }) => ({
    kind: definition.kind,
    version: definition.version,
    step: name,
  }));
  const some = await sql<{ id: string }[]>`select id from orders order by payment_id limit 100`;
  const any = () => some[Math.floor(Math.random() * some.length)]?.id ?? "";
  const anyCustomer = () => customer(Math.floor(Math.random() * CUSTOMERS));
  const list = (customerId: string | undefined, status?: "CONFIRMED" | "REJECTED" | "PENDING") =>
    store.listOrders({ customerId, status }, undefined, 21);
  const create = () => {
    const id = uuidv7();
    const { sku, name, price } = anyProduct();
    const customerId = anyCustomer();
    const items = [{ sku, name, quantity: 1, unitPrice: price }];
    const input: PlaceInput = {
      customerId,
      paymentId: id,
      amount: toMoneyJson(price),
      token: "tok_visa",
    };
    const saga = engine.prepare(definition, id, input, customerId);
    const request = {
      caller: customerId,
      requestId: crypto.randomUUID(),
      method: "CreateOrder",
      fingerprint: "f",
      resourceId: id,
    };
    // Ended at once, so that a later claim does not find it.
    const ended = { ...saga, state: "COMPLETED" as never };
    return store.insertOrder(
      request,
      { id, customerId, items, total: price, paymentId: id },
      ended,
    );
  };
  const claim = () =>
    sagas.claimDue({
      worker: engine.worker,
      limit: 32,
      limitPerKey: 32,
      heldByKey: new Map(),
      leaseMs: 2_000,
      sparing: false,
      known,
      held: [],
      orphaned: [],
    });
  const statements: Readonly<Record<string, () => Promise<unknown>>> = {
    "create an order": create,
    "get an order": () => store.findOrder(any()),
    "list the newest orders": () => list(undefined),
    "list from the middle": () =>
      store.listOrders({ customerId: undefined, status: undefined }, any(), 21),
    "list a customer's orders": () => list(anyCustomer()),
    "list CONFIRMED orders": () => list(undefined, "CONFIRMED"),
    "list REJECTED orders": () => list(undefined, "REJECTED"),
    "list PENDING orders": () => list(undefined, "PENDING"),
    "list a customer's REJECTED orders": () => list(anyCustomer(), "REJECTED"),
    "list a customer's PENDING orders": () => list(anyCustomer(), "PENDING"),
    "look for due sagas": claim,
    "count sagas for metrics": () => countSagas(sql, [definition]),
    "sweep request ids": () => store.sweepRequests(100),
  };
  return statements;
}

import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ROOT } from "@tercet/cli";
import { orderMigrations } from "@tercet/order";
import { connectPaymentStore, migratePaymentStore } from "@tercet/payment";
import { connectPostgres, migratePostgres, type Sql } from "@tercet/service";
import type { Stack } from "@tercet/stack";
import { compareAll, inTurn, median } from "./compare.ts";
import {
  type Operation,
  orderOperations,
  paymentOperations,
  someOrders,
} from "./growth-operations.ts";
import { type Explained, explain, explainStatements } from "./growth-plans.ts";
import { connectUnlimited, seed, type Tables } from "./growth-seed.ts";
import { freeze, startBenchStack } from "./processes.ts";
import type { Results } from "./report.ts";
import type { BenchOptions } from "./rounds.ts";

interface Round {
  readonly medianMs: number;
}

type Operations = Readonly<Record<string, Operation>>;

interface Filled {
  readonly tables: Tables;
  readonly bytes: Bytes;
  /** By operation. */
  readonly times: Map<string, readonly Round[]>;
  explained: Readonly<Record<string, Explained>>;
}

/** Of orders with their sagas and request ids, and of payments. */
interface Bytes {
  readonly order: number;
  readonly payment: number;
}

const FIGURES = { "median, ms": ({ medianMs }: Round) => medianMs };
/** Of PostgreSQL, in memory or not: the same on a busy machine. */
const PAGES = { pages: (pages: number) => pages };
const SMALL = 10_000;
/** Of an operation in a round, unless its seconds end before. */
const CALLS = 100;
/** Runs of each operation of which PostgreSQL logs the plans. */
const EXPLAINED = 5;
/** While tables are filled. A crash would lose them, and they are thrown away anyway. */
const SEEDING = { fsync: "off", full_page_writes: "off", max_wal_size: "8GB" };

/**
 * Measures what the statements of Order, of the saga engine and of Payment cost with ten thousand
 * orders in the tables, and with `orders`; all in one PostgreSQL, in turn. Nothing else runs.
 */
export async function benchGrowth(options: BenchOptions, orders: number): Promise<Results> {
  const { onProgress } = options;
  await using resources = new AsyncDisposableStack();
  onProgress("starting a stack");
  const stack = resources.use(await startBenchStack(options, "growth"));
  const pids = Object.values(stack.services).map(({ pid }) => pid ?? 0);
  freeze(pids, resources);
  const server = connectPostgres(stack.databaseUrls.order, { applicationName: "bench", max: 1 });
  resources.defer(() => server.end({ timeout: 1 }));
  const tables = await fillTables(stack, server, [SMALL, orders], options);
  const filled: Filled[] = [];
  for (const each of tables)
    filled.push({ tables: each, bytes: await bytesOf(each), times: new Map(), explained: {} });
  await measureTimes(filled, options);
  for (const each of filled) {
    onProgress(`explaining: ${each.tables.size} orders`);
    each.explained = await explainAll(stack, server, each.tables);
  }
  return resultsOf(filled);
}

async function fillTables(
  stack: Stack,
  server: Sql,
  sizes: readonly number[],
  { signal, onProgress }: BenchOptions,
): Promise<readonly Tables[]> {
  await configure(stack.databaseUrls.order, SEEDING);
  const tables: Tables[] = [];
  for (const size of sizes) {
    const created = await createTables(stack, server, size);
    await seed(created, signal, onProgress);
    tables.push(created);
  }
  onProgress("writing what was seeded to disk");
  await configure(stack.databaseUrls.order, {});
  return tables;
}

/** Measures all operations with all tables, in turn. */
async function measureTimes(
  filled: readonly Filled[],
  { rounds, seconds, signal, onProgress }: BenchOptions,
): Promise<void> {
  await using sessions = new AsyncDisposableStack();
  const candidates: { operations: Operations; filled: Filled }[] = [];
  for (const each of filled)
    candidates.push({ operations: await operationsOf(each.tables, sessions), filled: each });
  // Round 0 is the warm-up.
  for (let round = 0; round <= rounds; round++)
    for (const name of Object.keys(candidates[0]?.operations ?? {}))
      for (const { operations, filled } of inTurn(candidates, round)) {
        signal.throwIfAborted();
        const { times, tables } = filled;
        onProgress(`round ${round} of ${rounds}: ${name}, ${tables.size} orders`);
        const measured = {
          medianMs: await medianMs(operations[name] as Operation, seconds * 1_000),
        };
        if (round > 0) times.set(name, [...(times.get(name) ?? []), measured]);
      }
}

function resultsOf(filled: readonly Filled[]): Results {
  const compared = <T>(
    figures: Readonly<Record<string, (of: T) => number>>,
    of: (of: Filled) => readonly T[],
  ): Results[string] =>
    compareAll<T>(
      Object.fromEntries(filled.map((each) => [`${each.tables.size} orders`, of(each)])),
      figures,
    );
  const sectionOf = (name: string): Results[string] => {
    const times = compared<Round>(FIGURES, ({ times }) => times.get(name) ?? []);
    const pages = compared<number>(PAGES, ({ explained }) => [
      median(explained[name]?.pages ?? []),
    ]);
    return Object.fromEntries(
      Object.entries(times).map(([variant, of]) => [variant, { ...of, ...pages[variant] }]),
    );
  };
  const onDisk = (of: (bytes: Bytes) => number): Results[string] =>
    compared<number>({ "bytes, with indexes": (bytes) => bytes }, ({ bytes, tables }) => [
      of(bytes) / tables.size,
    ]);
  return {
    ...Object.fromEntries(
      [...(filled[0]?.times.keys() ?? [])].map((name) => [name, sectionOf(name)]),
    ),
    "an order on disk": onDisk(({ order }) => order),
    "its payment on disk": onDisk(({ payment }) => payment),
  };
}

/** Creates the databases of both services, with empty tables. */
async function createTables({ databaseUrls }: Stack, server: Sql, size: number): Promise<Tables> {
  const create = async (service: "order" | "payment") => {
    await server.unsafe(`create database ${databaseOf(service, size)}`);
    const url = new URL(databaseUrls.order);
    url.pathname = `/${databaseOf(service, size)}`;
    return url.href;
  };
  const [orderUrl, paymentUrl] = [await create("order"), await create("payment")];
  await migratePostgres(orderUrl, orderMigrations);
  await migratePaymentStore(paymentUrl);
  return { size, orderUrl, paymentUrl };
}

const databaseOf = (service: string, size: number): string => `growth_${service}_${size}`;

/** Replaces the server's settings, and writes all that is dirty to disk. */
async function configure(url: string, settings: Readonly<Record<string, string>>): Promise<void> {
  await using server = connectUnlimited(url);
  await server`alter system reset all`;
  for (const [name, value] of Object.entries(settings))
    await server.unsafe(`alter system set ${name} = '${value}'`);
  await server`select pg_reload_conf()`;
  await server`checkpoint`;
}

async function operationsOf(
  { orderUrl, paymentUrl }: Tables,
  resources: AsyncDisposableStack,
): Promise<Operations> {
  const sql = connectPostgres(orderUrl, { applicationName: "bench", max: 1 });
  resources.defer(() => sql.end({ timeout: 1 }));
  const payments = resources.use(await connectPaymentStore(paymentUrl));
  const some = await someOrders(orderUrl);
  return { ...orderOperations(sql, some), ...(await paymentOperations(payments)) };
}

async function bytesOf({ orderUrl, paymentUrl }: Tables): Promise<Bytes> {
  const sizeOf = async (url: string, tables: readonly string[]) => {
    await using sql = connectUnlimited(url);
    const [row] = await sql<{ bytes: number }[]>`
      select sum(pg_total_relation_size(relid))::float8 as bytes from pg_stat_user_tables
      where relname in (select t from jsonb_array_elements_text(${sql.json(tables)}) as t)`;
    return row?.bytes ?? 0;
  };
  return {
    order: await sizeOf(orderUrl, ["orders", "sagas", "requests"]),
    payment: await sizeOf(paymentUrl, ["payments"]),
  };
}

async function medianMs({ before, run, after }: Operation, limitMs: number): Promise<number> {
  const times: number[] = [];
  const end = performance.now() + limitMs;
  while (times.length < CALLS && (times.length === 0 || performance.now() < end)) {
    await before?.();
    const start = performance.now();
    await run();
    times.push(performance.now() - start);
    await after?.();
  }
  return median(times);
}

/**
 * Runs all operations with their plans logged, and writes those to
 * reports/bench/growth-plans-SIZE.md.
 */
async function explainAll(
  { dataDir }: Stack,
  server: Sql,
  tables: Tables,
): Promise<Readonly<Record<string, Explained>>> {
  for (const service of ["order", "payment"])
    await explainStatements(server, databaseOf(service, tables.size));
  await using sessions = new AsyncDisposableStack();
  const mark = sessions.use(connectUnlimited(tables.orderUrl));
  const explained: Record<string, Explained> = {};
  for (const [name, operation] of Object.entries(await operationsOf(tables, sessions)))
    explained[name] = await explain(
      operation,
      EXPLAINED,
      mark,
      join(dataDir, "logs", "postgres.log"),
    );
  const folder = join(ROOT, "reports", "bench");
  await mkdir(folder, { recursive: true });
  const plans = Object.entries(explained).map(([name, { plan }]) => `## ${name}\n\n${plan}\n`);
  await writeFile(join(folder, `growth-plans-${tables.size}.md`), plans.join("\n"));
  return explained;
}

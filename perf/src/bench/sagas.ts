import { connectPostgres, type Sql } from "@tercet/service";
import type { Stack } from "@tercet/stack";
import { buyer } from "./buyer.ts";
import type { Load } from "./call-client.ts";
import { compareAll } from "./compare.ts";
import { type Figures, figuresOf, saturate } from "./load.ts";
import { alone, freeze, startBenchStack } from "./processes.ts";
import type { Results } from "./report.ts";
import { type BenchOptions, turns } from "./rounds.ts";
import { startWorker } from "./worker.ts";
import { writtenBy } from "./written.ts";

interface Round extends Figures {
  readonly cpuMs: number;
  readonly databaseCpuMs: number;
  readonly commits: number;
  readonly walBytes: number;
}

interface Candidate {
  readonly variant: string;
  /** Of the process that places the orders and of its Payment, unless that is the stack's. */
  readonly pids: readonly number[];
  place(load: Load): Promise<Figures>;
  /** By the number of orders in flight. */
  readonly rounds: Map<number, Round[]>;
}

const FIGURES = {
  "orders/s": ({ perSecond }: Round) => perSecond,
  "p50, ms": ({ p50 }: Round) => p50,
  "p99, ms": ({ p99 }: Round) => p99,
  // Of the process that places the orders and of the stack's Payment, which is idle beside "stock".
  "CPU per order, ms": ({ cpuMs, count }: Round) => cpuMs / count,
  "PostgreSQL CPU per order, ms": ({ databaseCpuMs, count }: Round) => databaseCpuMs / count,
  // Writing transactions of both databases, including heartbeats.
  "commits per order": ({ commits, count }: Round) => commits / count,
  "WAL bytes per order": ({ walBytes, count }: Round) => walBytes / count,
};
export const IN_FLIGHT = [1, 8, 32, 64];
/** Of Connect's own transport and host. */
const STOCK = { FAST_PATH: "off" };
const WARM_UP = { inFlight: 8, durationMs: 2_000 };

/**
 * Measures what the engine costs: orders by the same statements and calls as the engine's without
 * it, with a stock Connect client and host and with ours, by the least statements that a shop
 * needs, by the engine, and by the whole Order service; on one PostgreSQL, one at a time in turn.
 */
export async function benchSagas(
  options: BenchOptions,
  inFlights: readonly number[],
): Promise<Results> {
  const durationMs = options.seconds * 1_000;
  await using resources = new AsyncDisposableStack();
  options.onProgress("starting a stack");
  const stack = resources.use(await startBenchStack(options, "sagas"));
  const sql = connectPostgres(stack.databaseUrls.order, {
    applicationName: "bench-statistics",
    max: 3,
  });
  resources.defer(() => sql.end({ timeout: 1 }));
  const candidates = await startCandidates(stack, resources);
  for (const candidate of turns(candidates, 0, options))
    await measure(candidate, stack, sql, WARM_UP);
  for (let round = 1; round <= options.rounds; round++)
    for (const inFlight of inFlights)
      for (const candidate of turns(candidates, round, options, `${inFlight} in flight`)) {
        const measured = await measure(candidate, stack, sql, { inFlight, durationMs });
        candidate.rounds.set(inFlight, [...(candidate.rounds.get(inFlight) ?? []), measured]);
      }
  return Object.fromEntries(
    inFlights.map((inFlight) => {
      const rounds = candidates.map((each) => [each.variant, each.rounds.get(inFlight) ?? []]);
      return [`${inFlight} in flight`, compareAll<Round>(Object.fromEntries(rounds), FIGURES)];
    }),
  );
}

async function startCandidates(
  stack: Stack,
  resources: AsyncDisposableStack,
): Promise<Candidate[]> {
  const candidates: Candidate[] = [];
  const add = (variant: string, pids: readonly number[], place: Candidate["place"]) => {
    freeze(pids, resources);
    candidates.push({ variant, pids, place, rounds: new Map() });
  };
  const order = await buyer(stack);
  const { pid: stockPid, url: PAYMENT_URL } = await stack.startReplica("payment", STOCK);
  const stock = { env: { ...STOCK, PAYMENT_URL }, pids: [stockPid] };
  const ours = { env: {}, pids: [] };
  for (const [variant, place, { env, pids }] of [
    ["no engine, stock Connect", "no engine", stock],
    ["bare statements", "bare statements", ours],
    ["no engine", "no engine", ours],
    ["engine", "engine", ours],
  ] as const) {
    const own = { ...stack.envOf("order"), ...env };
    const worker = resources.use(await startWorker<Load, Figures>("./saga-worker", [place], own));
    add(variant, [worker.pid, ...pids], worker.ask);
  }
  add("the whole service", [stack.services.order.pid ?? 0], async ({ inFlight, durationMs }) =>
    figuresOf(await saturate(order, inFlight, durationMs)),
  );
  return candidates;
}

async function measure(
  { pids, place }: Candidate,
  { services }: Stack,
  sql: Sql,
  load: Load,
): Promise<Round> {
  const measurement = async () => {
    const [placed, { cpuMs, ...counts }] = await writtenBy(sql, () => place(load));
    return { ...placed, databaseCpuMs: cpuMs, ...counts };
  };
  const settle = (durationMs: number) => place({ ...load, durationMs });
  return await alone(pids, settle, measurement, [services.payment.pid ?? 0]);
}

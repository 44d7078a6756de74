import { join } from "node:path";
import { cpuMs } from "@tercet/cli";
import { connectPostgres, type Sql } from "@tercet/service";
import { ANY_PORT, envToConfig, type Stack, startStack } from "@tercet/stack";
import { buyer } from "./buyer.ts";
import type { Load } from "./call-client.ts";
import type { BenchOptions } from "./calls.ts";
import { type Compared, compare, inTurn } from "./compare.ts";
import { type Figures, figuresOf, saturate } from "./load.ts";
import { alone, signalAll } from "./processes.ts";
import { startWorker } from "./worker.ts";

export interface SagaFigures {
  readonly variant: string;
  readonly inFlight: number;
  readonly ordersPerSecond: Compared;
  /** Milliseconds. */
  readonly p50: Compared;
  readonly p99: Compared;
  /** Milliseconds, of the process that places the orders and of Payment. */
  readonly cpuPerOrder: Compared;
  /** Writing transactions of both databases, including heartbeats. */
  readonly commitsPerOrder: Compared;
  /** Bytes, of both databases. */
  readonly walPerOrder: Compared;
}

interface Round extends Figures {
  readonly cpuMs: number;
  readonly commits: number;
  readonly walBytes: number;
}

interface Candidate {
  readonly variant: string;
  readonly pids: readonly number[];
  place(load: Load): Promise<Figures>;
  readonly rounds: Map<number, Round[]>;
}

const IN_FLIGHT = [1, 8, 32, 64];
const WARM_UP = { inFlight: 8, durationMs: 2_000 };

/**
 * Measures what the engine costs: orders by the same statements and calls without it, by the
 * engine, and by the whole Order service; on one PostgreSQL with one Payment, one at a time in
 * turn.
 */
export async function benchSagas(
  options: BenchOptions & { readonly dataDir: string },
): Promise<SagaFigures[]> {
  const { rounds, seconds, signal, onProgress } = options;
  await using resources = new AsyncDisposableStack();
  onProgress("starting a stack");
  const stack = resources.use(
    await startStack(
      envToConfig({ ...ANY_PORT, DATA_DIR: join(options.dataDir, "sagas"), LOG_LEVEL: "warn" }),
      options,
    ),
  );
  const sql = connectPostgres(stack.databaseUrls.order, {
    applicationName: "bench-statistics",
    max: 3,
  });
  resources.defer(() => sql.end({ timeout: 1 }));
  const candidates = await startCandidates(stack, resources);
  // A frozen process cannot drain.
  resources.defer(() => candidates.forEach(({ pids }) => void signalAll(pids, "SIGCONT")));
  for (const candidate of candidates) {
    onProgress(`warming up: ${candidate.variant}`);
    await measure(candidate, stack, sql, WARM_UP);
  }
  for (let round = 1; round <= rounds; round++) {
    for (const inFlight of IN_FLIGHT) {
      for (const candidate of inTurn(candidates, round)) {
        signal.throwIfAborted();
        onProgress(`round ${round} of ${rounds}, ${inFlight} in flight: ${candidate.variant}`);
        const measured = await measure(candidate, stack, sql, {
          inFlight,
          durationMs: seconds * 1_000,
        });
        candidate.rounds.set(inFlight, [...(candidate.rounds.get(inFlight) ?? []), measured]);
      }
    }
  }
  return IN_FLIGHT.flatMap((inFlight) =>
    candidates.map((candidate) => figures(candidate, inFlight, candidates[0])),
  );
}

async function startCandidates(
  stack: Stack,
  resources: AsyncDisposableStack,
): Promise<Candidate[]> {
  const order = await buyer(stack);
  const service: Candidate = {
    variant: "the whole service",
    pids: [stack.services.order.pid ?? 0],
    place: async ({ inFlight, durationMs }) =>
      figuresOf(await saturate(order, inFlight, durationMs)),
    rounds: new Map(),
  };
  signalAll(service.pids, "SIGSTOP");
  const others: Candidate[] = [];
  for (const variant of ["no engine", "engine"]) {
    const worker = resources.use(
      await startWorker<Load, Figures>("./saga-worker", {
        args: [variant],
        env: stack.envOf("order"),
      }),
    );
    signalAll([worker.pid], "SIGSTOP");
    others.push({ variant, pids: [worker.pid], place: worker.ask, rounds: new Map() });
  }
  return [...others, service];
}

async function measure(
  { pids, place }: Candidate,
  { services }: Stack,
  sql: Sql,
  load: Load,
): Promise<Round> {
  const used = () => cpuMs([...pids, services.payment.pid ?? 0]);
  const measurement = async () => {
    const [database, cpu] = [await written(sql), used()];
    const placed = await place(load);
    const after = await written(sql);
    return {
      ...placed,
      cpuMs: used() - cpu,
      commits: after.commits - database.commits,
      walBytes: after.walBytes - database.walBytes,
    };
  };
  return await alone(pids, (durationMs) => place({ ...load, durationMs }), measurement);
}

/** Uses the transaction counter, since session statistics are seconds late. */
async function written(sql: Sql): Promise<{ readonly commits: number; readonly walBytes: number }> {
  const [row] = await sql<{ commits: string; walBytes: string }[]>`
    select pg_snapshot_xmax(pg_current_snapshot())::text as commits, pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::text as wal_bytes`;
  return { commits: Number(row?.commits), walBytes: Number(row?.walBytes) };
}

function figures(
  { variant, rounds }: Candidate,
  inFlight: number,
  first: Candidate | undefined,
): SagaFigures {
  const [own, base] = [rounds.get(inFlight) ?? [], first?.rounds.get(inFlight) ?? []];
  const figure = (of: (round: Round) => number) => compare(own, base, of);
  return {
    variant,
    inFlight,
    ordersPerSecond: figure(({ perSecond }) => perSecond),
    p50: figure(({ p50 }) => p50),
    p99: figure(({ p99 }) => p99),
    cpuPerOrder: figure(({ cpuMs: used, count }) => used / count),
    commitsPerOrder: figure(({ commits, count }) => commits / count),
    walPerOrder: figure(({ walBytes, count }) => walBytes / count),
  };
}

import { cpus } from "node:os";
import { cpuMs } from "@tercet/cli";
import { connectPostgres, type Sql } from "@tercet/service";
import type { Stack } from "@tercet/stack";
import { buyer } from "./buyer.ts";
import { compareAll } from "./compare.ts";
import { type Figures, figuresOf, saturate } from "./load.ts";
import { alone, freeze, startBenchStack } from "./processes.ts";
import type { Results } from "./report.ts";
import { type BenchOptions, turns } from "./rounds.ts";
import { writtenBy } from "./written.ts";

interface Round extends Figures {
  /** Of all processes of Order. */
  readonly cpuMs: number;
  readonly paymentCpuMs: number;
  readonly databaseCpuMs: number;
  readonly commits: number;
  /** Of the client, which is this process. */
  readonly clientCpuMs: number;
  /** Of all processors together, whatever occupied them: from 0 to 100. */
  readonly busyPercent: number;
}

interface Candidate {
  readonly variant: string;
  readonly pids: readonly number[];
  readonly order: () => Promise<void>;
  readonly rounds: Round[];
}

const per = (cost: (round: Round) => number) => (round: Round) => cost(round) / round.count;
const FIGURES = {
  "orders/s": ({ perSecond }: Round) => perSecond,
  "p99, ms": ({ p99 }: Round) => p99,
  "CPU of Order per order, ms": per(({ cpuMs }) => cpuMs),
  "of Payment, ms": per(({ paymentCpuMs }) => paymentCpuMs),
  "of PostgreSQL, ms": per(({ databaseCpuMs }) => databaseCpuMs),
  "of the client, ms": per(({ clientCpuMs }) => clientCpuMs),
  "commits per order": per(({ commits }) => commits),
  "processors busy, %": ({ busyPercent }: Round) => busyPercent,
};
const REPLICAS = [1, 2, 4];
const IN_FLIGHT = 64;
const WARM_UP_MS = 3_000;

/**
 * Measures what several processes of Order on one PostgreSQL do together, with the same number of
 * orders in flight: those that are not of a variant are frozen.
 */
export async function benchReplicas(options: BenchOptions): Promise<Results> {
  const durationMs = options.seconds * 1_000;
  await using resources = new AsyncDisposableStack();
  options.onProgress("starting a stack");
  const stack = resources.use(await startBenchStack(options, "replicas"));
  const sql = connectPostgres(stack.databaseUrls.order, { applicationName: "bench", max: 1 });
  resources.defer(() => sql.end({ timeout: 1 }));
  const candidates = await startCandidates(stack, resources);
  for (const candidate of turns(candidates, 0, options))
    await measure(candidate, stack, sql, WARM_UP_MS);
  for (let round = 1; round <= options.rounds; round++)
    for (const candidate of turns(candidates, round, options))
      candidate.rounds.push(await measure(candidate, stack, sql, durationMs));
  const rounds = candidates.map(({ variant, rounds }) => [variant, rounds]);
  return {
    [`${IN_FLIGHT} in flight`]: compareAll<Round>(Object.fromEntries(rounds), FIGURES),
  };
}

async function startCandidates(
  stack: Stack,
  resources: AsyncDisposableStack,
): Promise<Candidate[]> {
  const processes = [{ url: stack.urls.order, pid: stack.services.order.pid ?? 0 }];
  while (processes.length < Math.max(...REPLICAS))
    processes.push(await stack.startReplica("order"));
  const candidates: Candidate[] = [];
  for (const count of REPLICAS) {
    const some = processes.slice(0, count);
    candidates.push({
      variant: count === 1 ? "1 Order" : `${count} Orders`,
      pids: some.map(({ pid }) => pid),
      order: await buyer(
        stack,
        some.map(({ url }) => url),
      ),
      rounds: [],
    });
  }
  freeze(
    processes.map(({ pid }) => pid),
    resources,
  );
  return candidates;
}

const measure = (
  { pids, order }: Candidate,
  { services }: Stack,
  sql: Sql,
  durationMs: number,
): Promise<Round> =>
  alone(
    pids,
    (settleMs) => saturate(order, IN_FLIGHT, settleMs),
    async () => {
      const payment = [services.payment.pid ?? 0];
      const [busy, paymentBefore] = [processorMs(), cpuMs(payment)];
      const client = process.cpuUsage();
      const [placed, { cpuMs: databaseCpuMs, commits }] = await writtenBy(sql, () =>
        saturate(order, IN_FLIGHT, durationMs),
      );
      const { user, system } = process.cpuUsage(client);
      const busyAfter = processorMs();
      return {
        ...figuresOf(placed),
        paymentCpuMs: cpuMs(payment) - paymentBefore,
        databaseCpuMs,
        commits,
        clientCpuMs: (user + system) / 1_000,
        busyPercent: 100 * (1 - (busyAfter.idle - busy.idle) / (busyAfter.all - busy.all)),
      };
    },
  );

/** Of all processors, until now. */
function processorMs(): { readonly idle: number; readonly all: number } {
  const times = cpus().map(({ times }) => times);
  return {
    idle: times.reduce((sum, { idle }) => sum + idle, 0),
    all: times.flatMap((each) => Object.values(each)).reduce((sum, time) => sum + time, 0),
  };
}

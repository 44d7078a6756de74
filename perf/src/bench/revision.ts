import { join } from "node:path";
import { cpuMs, freePort, ROOT, serviceNames } from "@tercet/cli";
import { connectPostgres, type Env, type Sql } from "@tercet/service";
import { ANY_PORT, ensureDatabases, MANY_CALLS, startPostgres } from "@tercet/stack";
import { buyer } from "./buyer.ts";
import { checkoutOf, hashOf } from "./checkout.ts";
import { type Compared, compareAll, comparePercentile } from "./compare.ts";
import { figuresOf, type Measured, saturate } from "./load.ts";
import { residentMb } from "./proc.ts";
import { alone, freeze } from "./processes.ts";
import type { Results } from "./report.ts";
import { type BenchOptions, turns } from "./rounds.ts";
import { startSystem } from "./started.ts";
import { writtenBy } from "./written.ts";

interface Round extends Measured {
  readonly servicesCpuMs: number;
  readonly databaseCpuMs: number;
  readonly commits: number;
  readonly walBytes: number;
  readonly residentMb: number;
}

interface Candidate {
  readonly variant: string;
  readonly pids: readonly number[];
  readonly servicePids: readonly number[];
  readonly order: () => Promise<void>;
  /** By the number of orders in flight. */
  readonly rounds: Map<number, Round[]>;
}

const per = (cost: (round: Round) => number) => (round: Round) => cost(round) / round.tookMs.length;
const FIGURES = {
  "orders/s": (round: Round) => figuresOf(round).perSecond,
  "CPU of the services per order, ms": per(({ servicesCpuMs }) => servicesCpuMs),
  "PostgreSQL CPU per order, ms": per(({ databaseCpuMs }) => databaseCpuMs),
  "commits per order": per(({ commits }) => commits),
  "WAL bytes per order": per(({ walBytes }) => walBytes),
  "resident memory of the services, MB": ({ residentMb }: Round) => residentMb,
};
const IN_FLIGHT = [32, 1];
const WARM_UP = { inFlight: 32, durationMs: 4_000 };

/**
 * Compares the whole system with an earlier revision of itself. Both are started as a user starts
 * them, on one PostgreSQL, and known only by what holds for any revision: `pnpm start` and its
 * variables, and the API. One at a time is under load; the other is frozen.
 */
export async function benchRevision(options: BenchOptions, revision: string): Promise<Results> {
  const { rounds, seconds, dataDir, signal, onProgress } = options;
  const hash = await hashOf(revision);
  onProgress(`installing and building ${revision}`);
  const checkout = await checkoutOf(hash, signal);
  await using resources = new AsyncDisposableStack();
  onProgress("starting PostgreSQL");
  const [port, password] = [await freePort(), crypto.randomUUID()];
  const server = resources.use(
    await startPostgres({ folder: join(dataDir, "postgres"), port, password }),
  );
  const sql = connectPostgres(server.databaseUrl("postgres"), { applicationName: "bench", max: 1 });
  resources.defer(() => sql.end({ timeout: 1 }));
  const candidates: Candidate[] = [];
  for (const [variant, folder] of [
    [revision, checkout],
    ["this checkout", ROOT],
  ] as const) {
    onProgress(`starting ${variant}`);
    const name = `revision_${candidates.length}`;
    await ensureDatabases(
      server.databaseUrl("postgres"),
      serviceNames.map((service) => `${name}_${service}`),
    );
    const env: Env = {
      ...ANY_PORT,
      ...MANY_CALLS,
      LOG_LEVEL: "warn",
      DATA_DIR: join(dataDir, name),
      ...Object.fromEntries(
        serviceNames.map((service) => [
          `${service.toUpperCase()}_DATABASE_URL`,
          server.databaseUrl(`${name}_${service}`),
        ]),
      ),
    };
    const { pids, servicePids, ...shop } = resources.use(await startSystem(folder, env, signal));
    const order = await buyer(shop);
    candidates.push({ variant, pids, servicePids, order, rounds: new Map() });
    freeze(pids, resources);
  }
  for (const candidate of turns(candidates, 0, options)) await measure(candidate, sql, WARM_UP);
  for (let round = 1; round <= rounds; round++)
    for (const inFlight of IN_FLIGHT)
      for (const candidate of turns(candidates, round, options, `${inFlight} in flight`)) {
        const measured = await measure(candidate, sql, { inFlight, durationMs: seconds * 1_000 });
        candidate.rounds.set(inFlight, [...(candidate.rounds.get(inFlight) ?? []), measured]);
      }
  return Object.fromEntries(
    IN_FLIGHT.map((inFlight) => [`${inFlight} in flight`, resultsOf(candidates, inFlight)]),
  );
}

/** Percentiles are of all rounds together. */
function resultsOf(candidates: readonly Candidate[], inFlight: number): Results[string] {
  const rounds = candidates.map(
    (candidate) => [candidate.variant, candidate.rounds.get(inFlight) ?? []] as const,
  );
  const [, base = []] = rounds[0] ?? [];
  const compared = compareAll<Round>(Object.fromEntries(rounds), FIGURES);
  const took = ({ tookMs }: Round) => tookMs;
  return Object.fromEntries(
    rounds.map(([variant, own]): [string, Record<string, Compared>] => {
      const percentile = (share: number) => comparePercentile(own.map(took), base.map(took), share);
      const tail = { "p50, ms": percentile(0.5), "p99, ms": percentile(0.99) };
      return [variant, { ...compared[variant], ...tail }];
    }),
  );
}

const measure = (
  { pids, servicePids, order }: Candidate,
  sql: Sql,
  { inFlight, durationMs }: { readonly inFlight: number; readonly durationMs: number },
): Promise<Round> =>
  alone(
    pids,
    (settleMs) => saturate(order, inFlight, settleMs),
    async () => {
      const cpuBefore = cpuMs(servicePids);
      const [placed, { cpuMs: databaseCpuMs, ...counts }] = await writtenBy(sql, () =>
        saturate(order, inFlight, durationMs),
      );
      const servicesCpuMs = cpuMs(servicePids) - cpuBefore;
      const memory = residentMb(servicePids);
      return { ...placed, servicesCpuMs, databaseCpuMs, ...counts, residentMb: memory };
    },
  );

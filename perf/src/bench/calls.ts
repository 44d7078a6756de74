import type { Called, Load } from "./call-client.ts";
import { type Compared, compare, inTurn } from "./compare.ts";
import { startWorker } from "./worker.ts";

export interface BenchOptions {
  readonly rounds: number;
  /** Of each measurement. */
  readonly seconds: number;
  readonly signal: AbortSignal;
  readonly onProgress: (line: string) => void;
}

export interface CallFigures {
  readonly variant: string;
  readonly callsPerSecond: Compared;
  /** Of the compared side, in microseconds. */
  readonly cpuPerCall: Compared;
  /** Milliseconds. */
  readonly p50: Compared;
  readonly p99: Compared;
}

export interface CallsResult {
  /** Each server, with the lightest client. */
  readonly servers: readonly CallFigures[];
  /** Each client, with the lightest server. */
  readonly clients: readonly CallFigures[];
}

const LIGHTEST = "node:http2";
const SERVERS = [LIGHTEST, "@grpc/grpc-js", "connect-node", "Tercet's host"];
const CLIENTS = [LIGHTEST, "@grpc/grpc-js", "connect-node", "Tercet's client"];
const IN_FLIGHT = 32;
const WARM_UP_MS = 2_000;

/** Measures what a unary gRPC call costs: servers, then clients, one at a time in turn. */
export async function benchCalls(options: BenchOptions): Promise<CallsResult> {
  return {
    servers: await benchSide("server", SERVERS, options),
    clients: await benchSide("client", CLIENTS, options),
  };
}

interface Round extends Called {
  /** Of the compared side, in microseconds. */
  readonly cpuPerCall: number;
}

interface Candidate {
  readonly variant: string;
  measure(durationMs: number): Promise<Round>;
  readonly rounds: Round[];
}

async function benchSide(
  side: "server" | "client",
  variants: readonly string[],
  options: BenchOptions,
): Promise<CallFigures[]> {
  const { rounds, seconds, signal, onProgress } = options;
  await using workers = new AsyncDisposableStack();
  const candidates: Candidate[] = [];
  for (const variant of variants) candidates.push(await startCandidate(workers, side, variant));
  for (const { variant, measure } of candidates) {
    onProgress(`warming up: ${side} ${variant}`);
    await measure(WARM_UP_MS);
  }
  for (let round = 1; round <= rounds; round++) {
    for (const { variant, measure, rounds: done } of inTurn(candidates, round)) {
      signal.throwIfAborted();
      onProgress(`round ${round} of ${rounds}: ${side} ${variant}`);
      done.push(await measure(seconds * 1_000));
    }
  }
  const base = candidates[0]?.rounds ?? [];
  return candidates.map(({ variant, rounds: own }) => ({
    variant,
    callsPerSecond: compare(own, base, ({ perSecond }) => perSecond),
    cpuPerCall: compare(own, base, ({ cpuPerCall }) => cpuPerCall),
    p50: compare(own, base, ({ p50 }) => p50),
    p99: compare(own, base, ({ p99 }) => p99),
  }));
}

async function startCandidate(
  workers: AsyncDisposableStack,
  side: "server" | "client",
  variant: string,
): Promise<Candidate> {
  const [serverName, clientName] = side === "server" ? [variant, LIGHTEST] : [LIGHTEST, variant];
  const server = workers.use(
    await startWorker<"cpu", NodeJS.CpuUsage>("./call-server", { args: [serverName] }),
  );
  const client = workers.use(
    await startWorker<Load, Called>("./call-client", {
      args: [clientName, String(server.first)],
    }),
  );
  const measure = async (durationMs: number): Promise<Round> => {
    const before = await server.ask("cpu");
    const called = await client.ask({ inFlight: IN_FLIGHT, durationMs });
    const after = await server.ask("cpu");
    const used = side === "server" ? micros(after) - micros(before) : micros(called.cpu);
    return { ...called, cpuPerCall: used / called.count };
  };
  return { variant, measure, rounds: [] };
}

const micros = ({ user, system }: NodeJS.CpuUsage): number => user + system;

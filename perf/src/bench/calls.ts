import type { Called, Load } from "./call-client.ts";
import { compareAll } from "./compare.ts";
import type { Results } from "./report.ts";
import { type BenchOptions, turns } from "./rounds.ts";
import { startWorker } from "./worker.ts";

interface Round extends Called {
  /** Of the compared side, in microseconds. */
  readonly cpuPerCall: number;
}

interface Candidate {
  readonly variant: string;
  measure(durationMs: number): Promise<Round>;
  readonly rounds: Round[];
}

const FIGURES = {
  "calls/s": ({ perSecond }: Round) => perSecond,
  "CPU per call, µs": ({ cpuPerCall }: Round) => cpuPerCall,
  "p50, ms": ({ p50 }: Round) => p50,
  "p99, ms": ({ p99 }: Round) => p99,
};
/** The sides; ratios are to the first of a list. */
const SERVERS = [
  "@grpc/grpc-js",
  "node:http2",
  "connect-node",
  "Tercet's host, FAST_PATH=off",
  "Tercet's host",
];
const CLIENTS = [
  "@grpc/grpc-js",
  "node:http2",
  "connect-node",
  "Tercet's client, FAST_PATH=off",
  "Tercet's client",
];
const JSON_SERVERS = [
  "Fastify route",
  "tRPC on Fastify",
  "oRPC on Fastify",
  "Tercet's host, FAST_PATH=off",
  "Tercet's host",
];
const LIGHTEST = "node:http2";
/** JSON is called by the same client, in the form of each server. */
const JSON_CLIENTS: Readonly<Record<string, string>> = {
  "tRPC on Fastify": "node:http to tRPC",
  "oRPC on Fastify": "node:http to oRPC",
};
const IN_FLIGHT = 32;
const WARM_UP_MS = 2_000;

/**
 * Measures what a unary call costs, one at a time in turn: servers with the lightest client, then
 * clients with the lightest server, over gRPC; then servers of JSON over HTTP/1.1.
 */
export async function benchCalls(options: BenchOptions): Promise<Results> {
  return {
    servers: await benchSide("server", SERVERS, options),
    clients: await benchSide("client", CLIENTS, options),
    "JSON over HTTP/1.1": await benchSide("json", JSON_SERVERS, options),
  };
}

/** What is compared: servers and clients of gRPC, or servers of JSON. */
type Side = "server" | "client" | "json";

async function benchSide(
  side: Side,
  variants: readonly string[],
  options: BenchOptions,
): Promise<Results[string]> {
  await using workers = new AsyncDisposableStack();
  const candidates: Candidate[] = [];
  for (const variant of variants) candidates.push(await startCandidate(workers, side, variant));
  for (const { measure } of turns(candidates, 0, options, side)) await measure(WARM_UP_MS);
  for (let round = 1; round <= options.rounds; round++)
    for (const { measure, rounds } of turns(candidates, round, options, side))
      rounds.push(await measure(options.seconds * 1_000));
  return compareAll(
    Object.fromEntries(candidates.map(({ variant, rounds }) => [variant, rounds])),
    FIGURES,
  );
}

async function startCandidate(
  workers: AsyncDisposableStack,
  side: Side,
  variant: string,
): Promise<Candidate> {
  const lightest = side === "json" ? (JSON_CLIENTS[variant] ?? "node:http") : LIGHTEST;
  const [serverName, clientName] = side === "client" ? [lightest, variant] : [variant, lightest];
  const server = workers.use(
    await startWorker<"cpu", NodeJS.CpuUsage>("./call-server", [serverName]),
  );
  const client = workers.use(
    await startWorker<Load, Called>("./call-client", [clientName, String(server.first)]),
  );
  const measure = async (durationMs: number): Promise<Round> => {
    const before = await server.ask("cpu");
    const called = await client.ask({ inFlight: IN_FLIGHT, durationMs });
    const after = await server.ask("cpu");
    const used = side === "client" ? micros(called.cpu) : micros(after) - micros(before);
    return { ...called, cpuPerCall: used / called.count };
  };
  return { variant, measure, rounds: [] };
}

const micros = ({ user, system }: NodeJS.CpuUsage): number => user + system;

import { extname } from "node:path";
import { fileURLToPath } from "node:url";
import { cpuMs, freePort, type ServiceName, serviceNames } from "@tercet/cli";
import { isReady, type Stack, startServiceProcess } from "@tercet/stack";
import { buyer } from "./buyer.ts";
import { compareAll } from "./compare.ts";
import { repeat } from "./load.ts";
import { residentMb, threadsCpuMs } from "./proc.ts";
import { startBenchStack } from "./processes.ts";
import type { Results } from "./report.ts";
import { type BenchOptions, turns } from "./rounds.ts";

interface Round {
  readonly readyMs: number;
  readonly cpuMs: number;
  readonly residentMb: number;
  readonly firstCpuMs: number;
  readonly usedMb: number;
}

const ORDERS = 1_000;
const IN_FLIGHT = 16;
const FIGURES = {
  "ready after, ms": ({ readyMs }: Round) => readyMs,
  "CPU until then, ms": ({ cpuMs }: Round) => cpuMs,
  "resident then, MB": ({ residentMb }: Round) => residentMb,
  "CPU of the first order, ms": ({ firstCpuMs }: Round) => firstCpuMs,
  [`resident after ${ORDERS} orders, MB`]: ({ usedMb }: Round) => usedMb,
};

interface Started extends Omit<Round, "firstCpuMs" | "usedMb"> {
  readonly pid: number;
}

interface Candidate {
  readonly variant: string;
  /** Starts a new process; resolves to its id when it is ready. */
  start(): Promise<number>;
  stop(): Promise<void>;
  readonly rounds: Round[];
}

/**
 * Measures what each service takes to start, and what it then occupies, beside the least that a
 * service can be; what the first order takes of it, which finds everything cold; and what it
 * occupies after a thousand orders. One at a time starts, in turn.
 */
export async function benchStart(options: BenchOptions): Promise<Results> {
  await using resources = new AsyncDisposableStack();
  options.onProgress("starting a stack");
  const stack = resources.use(await startBenchStack(options, "start"));
  const port = await freePort();
  const order = await buyer(stack);
  const candidates = [
    bareService(port, resources),
    ...serviceNames.map((name) => serviceOf(stack, name)),
  ];
  // Round 0 is the warm-up: Node keeps what it compiled.
  for (let round = 0; round <= options.rounds; round++) {
    const started = new Map<Candidate, Started>();
    for (const candidate of turns(candidates, round, options)) {
      await candidate.stop();
      const start = performance.now();
      const pid = await candidate.start();
      const readyMs = performance.now() - start;
      started.set(candidate, { pid, readyMs, cpuMs: cpuMs([pid]), residentMb: residentMb([pid]) });
    }
    const call = async () => void (await isReady(urlOf(port)));
    const before = new Map([...started.values()].map(({ pid }) => [pid, threadsCpuMs(pid)]));
    await order();
    await call();
    const first = new Map([...before].map(([pid, ms]) => [pid, threadsCpuMs(pid) - ms]));
    options.onProgress(`round ${round} of ${options.rounds}, ${ORDERS} orders`);
    await repeat(order, IN_FLIGHT, ORDERS);
    await repeat(call, IN_FLIGHT, ORDERS);
    if (round > 0)
      for (const [{ rounds }, { pid, ...measured }] of started)
        rounds.push({
          ...measured,
          firstCpuMs: first.get(pid) ?? 0,
          usedMb: residentMb([pid]),
        });
  }
  const rounds = candidates.map(({ variant, rounds }) => [variant, rounds]);
  return { start: compareAll<Round>(Object.fromEntries(rounds), FIGURES) };
}

const urlOf = (port: number): string => `http://127.0.0.1:${port}`;

function bareService(port: number, resources: AsyncDisposableStack): Candidate {
  const script = `./bare-service${extname(import.meta.filename)}`;
  const main = fileURLToPath(new URL(script, import.meta.url));
  let stop = async (): Promise<void> => {};
  resources.defer(() => stop());
  return {
    variant: "Fastify alone",
    start: async () => {
      const service = await startServiceProcess({ name: "bare", main, port, env: {} });
      stop = async () => void (await service.stop());
      return service.pid;
    },
    stop: () => stop(),
    rounds: [],
  };
}

function serviceOf({ services }: Stack, name: ServiceName): Candidate {
  const service = services[name];
  return {
    variant: name,
    start: async () => {
      await service.start();
      return service.pid ?? 0;
    },
    stop: () => service.stop(),
    rounds: [],
  };
}

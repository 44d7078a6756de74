import { setTimeout as sleep } from "node:timers/promises";
import {
  freePort,
  type Memory,
  openInspector,
  recordOf,
  type ServiceName,
  serviceNames,
} from "@tercet/cli";
import { buyer } from "./buyer.ts";
import { type Compared, compareAll } from "./compare.ts";
import { atRate } from "./load.ts";
import { startBenchStack } from "./processes.ts";
import type { Results } from "./report.ts";
import type { BenchOptions } from "./rounds.ts";
import { slope } from "./slope.ts";

export interface MemoryOptions extends Pick<BenchOptions, "dataDir" | "signal" | "onProgress"> {
  readonly minutes: number;
  /** Orders per second. */
  readonly rate: number;
}

interface Sample extends Memory {
  readonly hours: number;
}

const MS_PER_MINUTE = 60_000;
const MS_PER_HOUR = 60 * MS_PER_MINUTE;
const SAMPLES = 60;
/** At first caches fill and code is compiled. */
const WARM_UP_SHARE = 0.2;

/**
 * Measures whether the memory of each service grows under a constant load: what is still referenced
 * after a full collection, and what is resident. The first fifth of the time does not count.
 */
export async function benchMemory(options: MemoryOptions): Promise<Results> {
  const { minutes, rate, signal, onProgress } = options;
  const durationMs = minutes * MS_PER_MINUTE;
  await using resources = new AsyncDisposableStack();
  onProgress("starting a stack");
  const free = await Promise.all(serviceNames.map(() => freePort()));
  const ports = recordOf(serviceNames, (name) => free[serviceNames.indexOf(name)] ?? 0);
  const stack = resources.use(
    await startBenchStack(options, "memory", undefined, (name) => ({
      NODE_OPTIONS: `--inspect=127.0.0.1:${ports[name]}`,
    })),
  );
  const order = await buyer(stack);
  const stopping = new AbortController();
  const sampling = sample(ports, durationMs, AbortSignal.any([signal, stopping.signal]));
  try {
    for (let minute = 0; minute < minutes; minute++) {
      signal.throwIfAborted();
      onProgress(`minute ${minute + 1} of ${minutes}, ${rate} orders/s`);
      await atRate(order, rate, Math.min(1, minutes - minute) * MS_PER_MINUTE);
    }
  } finally {
    stopping.abort();
  }
  return resultsOf(await sampling);
}

type Samples = Readonly<Record<ServiceName, readonly Sample[]>>;

async function sample(
  ports: Readonly<Record<ServiceName, number>>,
  durationMs: number,
  signal: AbortSignal,
): Promise<Samples> {
  const samples = recordOf(serviceNames, (): Sample[] => []);
  using inspectors = new DisposableStack();
  const opened = await Promise.all(
    serviceNames.map(async (name) => ({
      name,
      inspector: inspectors.use(await openInspector(ports[name])),
    })),
  );
  const start = performance.now();
  while (!signal.aborted) {
    const passedMs = performance.now() - start;
    if (passedMs >= WARM_UP_SHARE * durationMs)
      for (const { name, inspector } of opened)
        samples[name].push({ hours: passedMs / MS_PER_HOUR, ...(await inspector.memory()) });
    await sleep(durationMs / SAMPLES, undefined, { signal }).catch(() => {});
  }
  return samples;
}

const FIGURES: Readonly<Record<string, (sample: Sample) => number>> = {
  "heap after a collection, MB": ({ heapMb }) => heapMb,
  "resident, MB": ({ residentMb }) => residentMb,
};

/** The last quarter of the samples beside the first, and the growth of all of them. */
function resultsOf(samples: Samples): Results {
  const quarters = (all: readonly Sample[]) => {
    const length = Math.floor(all.length / 4);
    return { "first quarter": all.slice(0, length), "last quarter": all.slice(-length) };
  };
  const growth = (all: readonly Sample[]): Record<string, Compared> =>
    Object.fromEntries(
      Object.entries(FIGURES).map(([title, figure]) => {
        const grown = slope(all.map((each) => ({ hours: each.hours, value: figure(each) })));
        return [`${title} an hour`, { ...grown, ratio: Number.NaN }];
      }),
    );
  return {
    ...Object.fromEntries(
      serviceNames.map((name) => [name, compareAll<Sample>(quarters(samples[name]), FIGURES)]),
    ),
    growth: Object.fromEntries(serviceNames.map((name) => [name, growth(samples[name])])),
  };
}

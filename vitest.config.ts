import { availableParallelism, loadavg } from "node:os";
import { basename } from "node:path";
import { defineConfig, type TestProjectInlineConfiguration } from "vitest/config";
import { BaseSequencer, type Reporter, type TestSpecification } from "vitest/node";

/**
 * Limits of time are multiplied by this whole number. It is 2 on an idle machine, as the tests
 * themselves load each core with one worker.
 */
const timeFactor = Math.ceil(
  Number(process.env["TEST_TIME_FACTOR"] ?? 1 + (loadavg()[0] ?? 0) / availableParallelism()),
);

/** A hang ends here; what must be fast, a test says itself. */
const LIMIT_MS = 180_000;
const WAIT_LIMIT_MS = 10_000;

/** One more than cores, since many tests wait. */
const MAX_WORKERS = availableParallelism() + 1;

interface Options {
  readonly exclude?: string[];
  /** Which failpoints `crashes.test.ts` runs. */
  readonly crashes?: "sample" | "rest";
  /** How many files at a time. */
  readonly maxWorkers?: number;
}

const project = (
  name: string,
  include: string[],
  { exclude = [], crashes = "rest", maxWorkers = MAX_WORKERS }: Options = {},
): TestProjectInlineConfiguration => ({
  extends: true,
  test: {
    name,
    include,
    exclude: ["**/node_modules/**", ...exclude],
    maxWorkers,
    // Vitest runs projects of one group at once, which is for those of one number of workers.
    sequence: { groupOrder: MAX_WORKERS - maxWorkers },
    provide: { timeFactor, crashes },
  },
});

const e2e = (...names: string[]) => names.map((name) => `packages/proof/e2e/test/${name}.test.ts`);

/** `pnpm test` runs the first four. */
const journey = e2e("journey");
const sample = e2e("crashes", "takeover");
const faults = e2e("participant-faults", "database-faults", "clocks", "cancel-races");
const chaos = [...e2e("chaos", "mongodb", "rolling-restart", "replica-loss", "restart"), ...faults];
const delivery = [
  ...e2e("image", "dockerfile", "compose", "mongodb-scripts", "gateway", "helm-tests", "smoke"),
  "infra/**/*.test.ts",
];
const telemetry = e2e("metrics", "telemetry", "logs");
/** Ten thousand worlds, and the starts and stops of the whole system. */
const simulation = ["packages/order/test/simulation.test.ts"];
const stack = ["packages/stack/test/**/*.test.ts"];
/** Saturates the machine, which must do nothing else. */
const overload = ["perf/test/overload.test.ts"];
/** Tests of the host and its clients once more, with FAST_PATH=off. */
const stockLane = ["packages/service/test/stock-lane.test.ts"];

/** Begin first, so that at the end no worker is without a file; those that wait between others. */
const LONG = ["first-service", "crashes", "image", "console", "mutants", "add-a-step"];

class LongFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification) =>
      LONG.indexOf(basename(moduleId, ".test.ts")) + 1 || Number.POSITIVE_INFINITY;
    const sorted = await super.sort(files);
    return sorted.sort((a, b) => (rank(a) === rank(b) ? 0 : rank(a) - rank(b)));
  }
}

/** Where a report for `.ci/run` goes. */
const report = process.env["TEST_REPORT"];

const slowestFiles: Reporter = {
  onTestRunEnd(files) {
    const slowest = files
      .map((file) => ({ file, ms: file.diagnostic().duration }))
      .sort((a, b) => b.ms - a.ms)
      .slice(0, 10)
      .map(
        ({ file, ms }) =>
          `${(ms / 1_000).toFixed(1).padStart(7)} s  ${file.project.name.padEnd(9)}  ${file.relativeModuleId}`,
      );
    process.stdout.write(`\nSlowest files:\n${slowest.join("\n")}\n`);
  },
};

export default defineConfig({
  ssr: { resolve: { conditions: ["source"] } },
  resolve: { conditions: ["source"] },
  test: {
    globalSetup: ["./vitest.global.ts"],
    setupFiles: ["./vitest.setup.ts"],
    reporters: [
      "default",
      slowestFiles,
      ...(report === undefined
        ? []
        : [["json", { outputFile: report }] satisfies [string, object]]),
    ],
    pool: "forks",
    sequence: { sequencer: LongFirst },
    // Files of one worker share modules, as they leave no global state behind.
    isolate: false,
    // With `--coverage`. Of this process: what a started service runs is not counted.
    coverage: {
      include: ["packages/*/src/**/*.ts"],
      exclude: ["**/*.test.ts", "**/*.testing.ts", "**/main.ts"],
      reporter: ["text-summary", "json-summary", "html"],
      reportsDirectory: "reports/coverage",
    },
    testTimeout: LIMIT_MS * timeFactor,
    hookTimeout: LIMIT_MS * timeFactor,
    expect: { poll: { timeout: WAIT_LIMIT_MS * timeFactor } },
    projects: [
      project("journey", journey),
      project("sample", sample, { crashes: "sample" }),
      project("unit", ["{gateway,packages,perf}/**/src/**/*.test.ts", "scripts/**/*.test.ts"], {
        exclude: ["scripts/templates/**"],
      }),
      project("wire", ["packages/*/test/**/*.test.ts"], {
        exclude: [...simulation, ...stack, ...stockLane],
      }),
      project("crash", e2e("crashes")),
      project("chaos", chaos),
      project("telemetry", telemetry),
      project("system", [...e2e("*"), ...stack, ...stockLane], {
        exclude: [journey, sample, chaos, delivery, telemetry].flat(),
      }),
      project("simulation", simulation),
      project("delivery", delivery),
      project("contracts", ["packages/proof/{contracts,conformance}/test/**/*.test.ts"]),
      project("load", ["perf/test/**/*.test.ts"], { exclude: overload }),
      project("overload", overload, { maxWorkers: 1 }),
    ],
  },
});

declare module "vitest" {
  interface ProvidedContext {
    readonly timeFactor: number;
    readonly crashes: "sample" | "rest";
  }
}

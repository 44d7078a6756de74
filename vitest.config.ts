import { availableParallelism, loadavg } from "node:os";
import { defineConfig, type TestProjectInlineConfiguration } from "vitest/config";
import type { Reporter } from "vitest/node";

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

interface Options {
  readonly exclude?: string[];
  /** Which failpoints `crashes.test.ts` runs. */
  readonly crashes?: "sample" | "rest";
  /** False: files of one worker share modules, as they leave no global state behind. */
  readonly isolate?: boolean;
  /** True: one file at a time, for files that start systems of several processes. */
  readonly alone?: boolean;
}

const project = (
  name: string,
  include: string[],
  { exclude = [], crashes = "rest", isolate = true, alone = false }: Options = {},
): TestProjectInlineConfiguration => ({
  extends: true,
  test: {
    name,
    include,
    exclude: ["**/node_modules/**", ...exclude],
    isolate,
    fileParallelism: !alone,
    provide: { timeFactor, crashes },
  },
});

const e2e = (...names: string[]) => names.map((name) => `packages/proof/e2e/test/${name}.test.ts`);

/** `pnpm test` runs the first four. */
const journey = e2e("journey");
const sample = e2e("crashes", "takeover");
const chaos = e2e("chaos", "rolling-restart", "replica-loss", "cancel-races", "clocks", "restart");
const delivery = e2e("image", "dockerfile", "compose", "gateway", "helm-tests", "smoke");
const telemetry = e2e("metrics", "telemetry", "logs");
/** Ten thousand worlds, and the starts and stops of the whole system. */
const simulation = ["packages/order/test/simulation.test.ts"];
const stack = ["packages/stack/test/**/*.test.ts"];

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
    // Vitest would leave one core to itself. One more than cores, since many tests wait.
    maxWorkers: availableParallelism() + 1,
    testTimeout: LIMIT_MS * timeFactor,
    hookTimeout: LIMIT_MS * timeFactor,
    expect: { poll: { timeout: WAIT_LIMIT_MS * timeFactor } },
    projects: [
      project("journey", journey),
      project("sample", sample, { crashes: "sample" }),
      project(
        "unit",
        ["{gateway,packages,perf}/**/src/**/*.test.ts", "{infra,scripts}/**/*.test.ts"],
        { isolate: false },
      ),
      project("wire", ["packages/*/test/**/*.test.ts"], { exclude: [...simulation, ...stack] }),
      project("crash", [...e2e("crashes"), ...simulation], { alone: true }),
      project("chaos", chaos, { alone: true }),
      project("delivery", delivery, { alone: true }),
      project("telemetry", telemetry, { alone: true }),
      project("system", [...e2e("*"), ...stack], {
        exclude: [journey, sample, chaos, delivery, telemetry].flat(),
        alone: true,
      }),
      project("contracts", ["packages/proof/{contracts,conformance}/test/**/*.test.ts"], {
        alone: true,
      }),
      project("load", ["perf/test/**/*.test.ts"], { alone: true }),
    ],
  },
});

declare module "vitest" {
  interface ProvidedContext {
    readonly timeFactor: number;
    readonly crashes: "sample" | "rest";
  }
}

import { spawn } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { CommandError, onPath, ROOT, temporaryFolder } from "@tercet/cli";
import { createLogger } from "@tercet/service";
import { Contract } from "./contract.ts";
import { serveSuite } from "./servers.ts";

export const TOOL = "connectconformance";

export interface SuiteOptions {
  /** Patterns of cases, as `--run` of the suite has them; all when there are none. */
  readonly run: readonly string[];
  /** Whether the wire of cases that fail is shown. */
  readonly trace?: boolean;
  readonly signal?: AbortSignal | undefined;
  readonly onLine?: (line: string) => void;
}

export interface SuiteResult {
  readonly passed: number;
  readonly failed: number;
  /** The suite could not finish them. */
  readonly notRun: number;
  /** What the host logged as unexpected: warnings and errors. */
  readonly logged: readonly string[];
}

/**
 * Runs the suite, or a part of it, against our host. Throws CommandError when a tool is missing or
 * the suite ends without figures.
 */
export async function runSuite({
  run,
  trace = false,
  signal,
  onLine = () => {},
}: SuiteOptions): Promise<SuiteResult> {
  const tool = await onPath(TOOL);
  if (tool === undefined)
    throw new CommandError(`${TOOL} is not there: "pnpm tools ${TOOL}" builds it, with Go`);
  await using folder = await temporaryFolder("conformance");
  const contract = await Contract.load(await describeContract(tool));
  const logged: string[] = [];
  const log = createLogger(
    { name: "conformance", level: "warn" },
    { write: (line) => void logged.push(line) },
  );
  const socketPath = join(folder.path, "servers");
  await using _servers = await serveSuite(contract, socketPath, log);
  const args = [
    "--mode",
    "server",
    "--conf",
    join(PACKAGE, "conformance.yaml"),
    "-v",
    ...(trace ? ["--trace"] : []),
  ];
  const patterns = run.flatMap((pattern) => ["--run", pattern]);
  let total: number | undefined;
  const counts = { passed: 0, failed: 0, notRun: 0 };
  await execute(tool, [...args, ...patterns, "--", process.execPath, RELAY, socketPath], {
    signal,
    onLine: (line) => {
      total = numberIn(line, /^Total cases: (\d+)/) ?? total;
      counts.passed = numberIn(line, /^(\d+) passed/) ?? counts.passed;
      counts.failed = numberIn(line, /(\d+) failed$/) ?? counts.failed;
      counts.notRun = numberIn(line, /^Another (\d+) could not be run/) ?? counts.notRun;
      onLine(line);
    },
  });
  if (total === undefined || total !== counts.passed + counts.failed)
    throw new CommandError(`${TOOL} ended without its figures`);
  return { ...counts, logged };
}

const PACKAGE = join(ROOT, "packages/proof/conformance");
/** Built, also when this runs from source. */
const RELAY = join(PACKAGE, "dist/relay.js");
const BUF = join(ROOT, "node_modules/.bin/buf");

/**
 * Makes descriptors of the contracts in the Go module that the tool was built from; answers their
 * path.
 */
async function describeContract(tool: string): Promise<string> {
  const facts = await output("go", ["version", "-m", tool]);
  const [, module, version] = /^\tmod\t(\S+)\t(\S+)/m.exec(facts) ?? [];
  if (module === undefined)
    throw new CommandError(`${tool} does not say which module it was built from`);
  const { Dir } = JSON.parse(
    await output("go", ["mod", "download", "-json", `${module}@${version}`]),
  ) as { Dir: string };
  const folder = join(PACKAGE, "dist");
  await mkdir(folder, { recursive: true });
  const path = join(folder, `contract-${version}.binpb`);
  await output(BUF, ["build", join(Dir, "proto"), "--output", path]);
  return path;
}

function numberIn(line: string, pattern: RegExp): number | undefined {
  const found = pattern.exec(line)?.[1];
  return found === undefined ? undefined : Number(found);
}

async function output(tool: string, args: readonly string[]): Promise<string> {
  const lines: string[] = [];
  const code = await execute(tool, args, { onLine: (line) => void lines.push(line) });
  if (code !== 0)
    throw new CommandError(`${tool} ${args.join(" ")} ended with ${code}\n${lines.join("\n")}`);
  return lines.join("\n");
}

interface Execution {
  readonly signal?: AbortSignal | undefined;
  readonly onLine: (line: string) => void;
}

/** Its exit code. Throws CommandError when it cannot be started. */
async function execute(
  tool: string,
  args: readonly string[],
  { signal, onLine }: Execution,
): Promise<number | null> {
  const child = spawn(tool, args, { stdio: ["ignore", "pipe", "pipe"], ...(signal && { signal }) });
  for (const stream of [child.stdout, child.stderr])
    createInterface({ input: stream }).on("line", onLine);
  return new Promise((resolve, reject) => {
    child.once("error", ({ message }) =>
      reject(new CommandError(`${tool} cannot be started: ${message}`)),
    );
    child.once("close", resolve);
  });
}

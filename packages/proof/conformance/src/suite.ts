import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { CommandError, onPath, ROOT, temporaryFolder } from "@tercet/cli";
import { createLogger } from "@tercet/service";
import { type ExecaError, execa } from "execa";
import { callForSuite } from "./client.ts";
import { loadContract } from "./contract.ts";
import { listenForSuite, serveSuite } from "./servers.ts";

export const TOOL = "connectconformance";

export interface SuiteOptions {
  /** Whether our host or our transport is tested, against the other side of the suite. */
  readonly mode: "server" | "client";
  /** FAST_PATH; false tests the lane of Connect itself. */
  readonly fastPath: boolean;
  /** Patterns of cases, as for the suite's `--run`; empty for all cases. */
  readonly run: readonly string[];
  /** Whether to show the bytes on the wire of failed cases. */
  readonly trace?: boolean;
  readonly signal?: AbortSignal | undefined;
  readonly onLine?: (line: string) => void;
}

export interface SuiteResult {
  readonly passed: number;
  readonly failed: number;
  /** Cases that the suite could not finish. */
  readonly notRun: number;
  /** The host's warnings and errors. */
  readonly logged: readonly string[];
}

/**
 * Runs the suite, or a part of it, against our host or our transport. Throws CommandError when a
 * tool is missing or the suite ends without a summary.
 */
export async function runSuite({
  mode,
  fastPath,
  run,
  trace = false,
  signal,
  onLine = () => {},
}: SuiteOptions): Promise<SuiteResult> {
  const tool = await onPath(TOOL);
  if (tool === undefined)
    throw new CommandError(
      `${TOOL} is not installed; build it with "pnpm tools ${TOOL}" (needs Go)`,
    );
  await using folder = await temporaryFolder("conformance");
  const contract = await loadContract(await describeContract(tool));
  const logged: string[] = [];
  const log = createLogger(
    { name: "conformance", level: "warn" },
    { write: (line) => void logged.push(line) },
  );
  const socketPath = join(folder.path, mode);
  await using _tested =
    mode === "server"
      ? await serveSuite(contract, socketPath, log, fastPath)
      : await listenForSuite(socketPath, log, (socket) => callForSuite(contract, socket, fastPath));
  const conf = join(PACKAGE, mode === "server" ? "conformance.yaml" : "client.yaml");
  const options = [...(trace ? ["--trace"] : []), ...run.flatMap((pattern) => ["--run", pattern])];
  const args = ["--mode", mode, "--conf", conf, "-v", ...knownFailing(mode, fastPath), ...options];
  let total: number | undefined;
  const counts = { passed: 0, failed: 0, notRun: 0 };
  let known = 0;
  const suite = execa(tool, [...args, "--", process.execPath, RELAY, socketPath, mode], {
    stdin: "ignore",
    all: true,
    buffer: false,
    reject: false,
    ...(signal && { cancelSignal: signal }),
  });
  for await (const line of suite.iterable({ from: "all" })) {
    total = numberIn(line, /^Total cases: (\d+)/) ?? total;
    counts.passed = numberIn(line, /^(\d+) passed/) ?? counts.passed;
    counts.failed = numberIn(line, /(\d+) failed$/) ?? counts.failed;
    known = numberIn(line, /^\(Another (\d+) failed as expected/) ?? known;
    counts.notRun = numberIn(line, /^Another (\d+) could not be run/) ?? counts.notRun;
    onLine(line);
  }
  signal?.throwIfAborted();
  if (total === undefined || total !== counts.passed + counts.failed + known)
    throw new CommandError(`${TOOL} ended without a summary`);
  return { ...counts, logged };
}

/** By Connect's own transport: the server's CANCEL at the deadline may come before the client's. */
const FLAKY_STREAMS = "Timeouts/**/bidi-stream/*";

/** Fail by defects of Connect's own transport; the suite reports one that passes. */
const knownFailing = (mode: SuiteOptions["mode"], fastPath: boolean) =>
  mode === "server" || fastPath
    ? []
    : [
        ...["--known-failing", `@${join(PACKAGE, "client-known-failing.txt")}`],
        ...["--known-flaky", FLAKY_STREAMS],
      ];

const PACKAGE = join(ROOT, "packages/proof/conformance");
/** The built file, even when this runs from source. */
const RELAY = join(PACKAGE, "dist/relay.js");
const BUF = join(ROOT, "node_modules/.bin/buf");

/** Builds descriptors of the contracts in the tool's own Go module. Resolves to their path. */
async function describeContract(tool: string): Promise<string> {
  const facts = await output("go", ["version", "-m", tool]);
  const [, module, version] = /^\tmod\t(\S+)\t(\S+)/m.exec(facts) ?? [];
  if (module === undefined) throw new CommandError(`${tool} has no module information`);
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

/** Runs a tool and resolves to what it printed. Throws CommandError when it fails. */
async function output(tool: string, args: readonly string[]): Promise<string> {
  try {
    const { stdout } = await execa(tool, args, { stdin: "ignore" });
    return stdout;
  } catch (error) {
    throw new CommandError((error as ExecaError).message);
  }
}

import { delimiter, join } from "node:path";
import { execa } from "execa";
import { ROOT } from "../root.ts";
import { type Outcome, passed } from "./outcome.ts";
import { toolsBin } from "./tools-folder.ts";

/** A tool that hangs must fail its check, not the whole run. */
const TIME_LIMIT_MS = 5 * 60_000;

export interface Finished {
  /** The exit code; undefined if the tool was killed or could not be started. */
  readonly code: number | undefined;
  readonly stdout: string;
  /** Standard output and standard error, in the order written. */
  readonly output: string;
}

/**
 * Runs one of the repository's tools without a shell and without standard input, so that it cannot
 * wait for a reply. Never rejects.
 */
export async function execute(
  tool: string,
  args: readonly string[],
  cwd = ROOT,
): Promise<Finished> {
  const bins = [join(ROOT, "node_modules/.bin"), join(cwd, "node_modules/.bin"), toolsBin];
  const { exitCode, stdout, all, shortMessage } = await execa(tool, args, {
    cwd,
    env: { PATH: [...bins, process.env["PATH"]].join(delimiter), NO_COLOR: "1" },
    stdin: "ignore",
    all: true,
    reject: false,
    stripFinalNewline: false,
    timeout: TIME_LIMIT_MS,
    killSignal: "SIGKILL",
  });
  return {
    code: exitCode,
    stdout: stdout ?? "",
    output: exitCode === undefined ? `${all ?? ""}\n${shortMessage}` : all,
  };
}

export const isInstalled = async (tool: string): Promise<boolean> =>
  (await execute(tool, ["--help"])).code !== undefined;

/** Passes if the tool exits with 0; otherwise fails with what it wrote. */
export async function outcomeOf(tool: string, ...args: readonly string[]): Promise<Outcome> {
  const { code, output } = await execute(tool, args);
  return code === 0 ? passed : { kind: "failed", output };
}

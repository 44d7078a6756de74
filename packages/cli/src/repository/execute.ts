import { spawn } from "node:child_process";
import { delimiter, join } from "node:path";
import { ROOT } from "../root.ts";
import { type Outcome, passed } from "./outcome.ts";
import { toolsBin } from "./tools-folder.ts";

/** A tool that hangs must fail its check, not the whole run. */
const timeLimitMs = 5 * 60_000;

export interface Finished {
  /** The exit code; null when it was killed or could not be started. */
  readonly code: number | null;
  readonly stdout: string;
  /** Standard output and standard error, in the order written. */
  readonly output: string;
}

/**
 * Runs one of the repository's tools without a shell and without standard input, so that nothing
 * can wait for an answer. Never rejects.
 */
export function execute(tool: string, args: readonly string[], cwd = ROOT): Promise<Finished> {
  const path = [
    join(ROOT, "node_modules/.bin"),
    join(cwd, "node_modules/.bin"),
    toolsBin,
    process.env["PATH"],
  ].join(delimiter);
  const child = spawn(tool, args, {
    cwd,
    env: { ...process.env, PATH: path, NO_COLOR: "1" },
    stdio: ["ignore", "pipe", "pipe"],
    // Not `timeout`: the timer of a tool that is not installed would keep this process for the
    // whole limit.
    signal: AbortSignal.timeout(timeLimitMs),
    killSignal: "SIGKILL",
  });
  const stdout: Buffer[] = [];
  const both: Buffer[] = [];
  child.stdout.on("data", (chunk: Buffer) => {
    stdout.push(chunk);
    both.push(chunk);
  });
  child.stderr.on("data", (chunk: Buffer) => both.push(chunk));
  return new Promise((resolve) => {
    child.on("error", (error) =>
      resolve({
        code: null,
        stdout: "",
        output: `${tool}: ${error.message} (limit ${timeLimitMs / 1000} s)`,
      }),
    );
    child.on("close", (code, signal) => {
      if (signal !== null) both.push(Buffer.from(`\n${tool} was ended by ${signal}`));
      resolve({
        code,
        stdout: Buffer.concat(stdout).toString(),
        output: Buffer.concat(both).toString(),
      });
    });
  });
}

/** A check that passes when the tool exits with 0. */
export function command(tool: string, ...args: string[]): () => Promise<Outcome> {
  return async () => {
    const { code, output } = await execute(tool, args);
    return code === 0 ? passed : { kind: "failed", output };
  };
}

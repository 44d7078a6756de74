import { parseArgs } from "node:util";
import { ConfigError, type Env, readEnv } from "@tercet/service";
import { StackError } from "./errors.ts";
import { createTerminal, type Terminal } from "./terminal.ts";

export interface Command {
  /** What `--help` prints. */
  readonly help: string;
  /** Does the work; answers the exit code. The signal aborts on Ctrl-C, SIGTERM and when the terminal is closed. */
  run(context: { readonly env: Env; readonly terminal: Terminal; readonly signal: AbortSignal }): Promise<number>;
}

const INTERRUPTED = 130;

/** A command's process: its arguments, its signals, its exit code; what goes wrong for a known reason is said in a sentence. */
export async function runCommand({ help, run }: Command): Promise<void> {
  const env = readEnv();
  const terminal = createTerminal(process.stdout, env);
  // A closed pipe or terminal must not stop the stop.
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {});
  const interrupted = interruption();
  try {
    if (wantsHelp()) terminal.line(help);
    else process.exitCode = await run({ env, terminal, signal: interrupted });
  } catch (error) {
    if (!interrupted.aborted) process.stderr.write(`${explain(error)}\n`);
    process.exitCode = interrupted.aborted ? INTERRUPTED : 1;
  }
  process.exit();
}

function wantsHelp(): boolean {
  try {
    return parseArgs({ options: { help: { type: "boolean", short: "h" } } }).values.help === true;
  } catch (error) {
    throw new StackError(`${(error as Error).message.split(". ")[0]}; see --help`);
  }
}

function interruption(): AbortSignal {
  const controller = new AbortController();
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(name, () => controller.abort(new Error(name)));
  return controller.signal;
}

function explain(error: unknown): string {
  if (error instanceof StackError || error instanceof ConfigError) return error.message;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

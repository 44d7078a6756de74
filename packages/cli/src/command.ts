import type { ParseArgsConfig } from "node:util";
import { type Env, readEnv, StartError } from "@tercet/service/config";
import { parseArguments } from "./arguments.ts";
import { CommandError } from "./errors.ts";
import { createTerminal, type Terminal } from "./terminal.ts";

type Options = NonNullable<ParseArgsConfig["options"]>;

export interface CommandContext {
  readonly env: Env;
  readonly terminal: Terminal;
  /** Aborts on Ctrl-C, SIGTERM and when the terminal is closed. */
  readonly signal: AbortSignal;
  /** The values of the options, which the command must check. */
  readonly values: Readonly<Record<string, unknown>>;
  /** The arguments that are not options. */
  readonly words: readonly string[];
}

export interface Command {
  /** Printed by `--help`. */
  readonly help: string;
  /** Besides `--help`. */
  readonly options?: Options;
  /** Whether arguments that are not options are allowed; default: no. */
  readonly allowWords?: boolean;
  /** Does the work; resolves to the exit code. */
  run(context: CommandContext): Promise<number>;
}

const INTERRUPTED = 130;

/**
 * Runs a command in this process: arguments, signals, exit code. A CommandError or StartError is
 * printed as its message, any other error with its stack.
 */
export async function runCommand({
  help,
  options = {},
  allowWords = false,
  run,
}: Command): Promise<void> {
  const env = readEnv();
  const terminal = createTerminal(process.stdout, env);
  // A closed pipe or terminal must not interrupt the shutdown.
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {});
  const interrupted = interruption();
  try {
    const { values, positionals: words } = parseArguments({
      options,
      allowPositionals: allowWords,
    });
    if (values["help"] === true) terminal.line(help);
    else process.exitCode = await run({ env, terminal, signal: interrupted, values, words });
  } catch (error) {
    if (!interrupted.aborted) process.stderr.write(`${explain(error)}\n`);
    process.exitCode = interrupted.aborted ? INTERRUPTED : 1;
  }
  process.exit();
}

/**
 * Runs the command that the first argument names. Without one, or with an option in its place, runs
 * `otherwise`; by default that fails. `help` lists the commands.
 */
export async function runCommands(
  commands: Readonly<Record<string, Command>>,
  { help, otherwise }: { readonly help: string; readonly otherwise?: Command },
): Promise<void> {
  const [word = ""] = process.argv.slice(2);
  const named = Object.hasOwn(commands, word) ? commands[word] : undefined;
  if (named !== undefined) process.argv.splice(2, 1);
  const isUnnamed = !["--help", "-h"].includes(word) && (word === "" || word.startsWith("-"));
  const overview: Command = {
    help,
    allowWords: true,
    run: ({ words: [given] }) => {
      const problem =
        given === undefined ? "no command is given" : `there is no command "${given}"`;
      throw new CommandError(`${problem}; see --help`);
    },
  };
  await runCommand(named ?? (isUnnamed ? otherwise : undefined) ?? overview);
}

/** Returns an option as a number greater than 0. Throws CommandError. */
export function numberOf({ values }: Pick<CommandContext, "values">, name: string): number {
  const number = Number(values[name]);
  if (!(number > 0))
    throw new CommandError(`--${name} must be a number greater than 0; see --help`);
  return number;
}

function interruption(): AbortSignal {
  const controller = new AbortController();
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
    process.on(name, () => controller.abort(new Error(name)));
  return controller.signal;
}

function explain(error: unknown): string {
  if (error instanceof CommandError || error instanceof StartError) return error.message;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

import {
  type Command,
  type CommandContext,
  CommandError,
  type Distribution,
  liveLine,
  numberOf,
  table,
  temporaryFolder,
} from "@tercet/cli";
import type { RunOptions } from "./system.ts";

export interface ChaosCommand<Name extends string, Choice extends string> {
  readonly help: string;
  /** The options that are numbers, with their defaults. */
  readonly numbers: Readonly<Record<Name, number>>;
  /** The options with a list of values, of which the first is the default. */
  readonly choices?: Readonly<Record<Choice, readonly [string, ...string[]]>>;
  /** The default of --out, if the command has it. */
  readonly out?: string;
  run(
    options: RunOptions & Readonly<Record<Name, number>> & Readonly<Record<Choice, string>>,
    out: string,
  ): Promise<ChaosReport>;
}

export interface ChaosReport {
  readonly rows: readonly (readonly [name: string, value: string])[];
  readonly breaches: readonly string[];
}

/**
 * Returns a command that runs in a folder of its own, prints a table and breaches, and keeps the
 * folder if there are breaches. Its exit code is 1 then.
 */
export const chaosCommand = <Name extends string, Choice extends string = never>({
  help,
  numbers,
  choices,
  out,
  run,
}: ChaosCommand<Name, Choice>): Command => ({
  help,
  options: Object.fromEntries(
    Object.entries({
      ...numbers,
      ...firstOf(choices ?? {}),
      ...(out !== undefined && { out }),
    }).map(([name, value]) => [name, { type: "string", default: String(value) }]),
  ),
  run: async (context) => {
    const { terminal, signal } = context;
    const given = Object.fromEntries(
      Object.keys(numbers).map((name) => [name, numberOf(context, name)]),
    ) as Record<Name, number>;
    const chosen = Object.fromEntries(
      Object.entries<readonly string[]>(choices ?? {}).map(([name, values]) => [
        name,
        choiceOf(context, name, values),
      ]),
    ) as Record<Choice, string>;
    if ("seed" in given) terminal.line(`seed ${given["seed"]}`);
    const folder = await temporaryFolder("chaos");
    const onProgress = liveLine(context);
    const { rows, breaches } = await run(
      { ...given, ...chosen, dataDir: folder.path, signal, onProgress },
      String(context.values["out"]),
    );
    for (const line of table(rows)) terminal.line(line);
    for (const breach of breaches) terminal.line(`${terminal.styled("red", "✗")} ${breach}`);
    if (breaches.length > 0) {
      terminal.line(`databases and logs are kept in ${folder.path}`);
      return 1;
    }
    await folder[Symbol.asyncDispose]();
    terminal.line(`${terminal.styled("green", "✓")} nothing was breached`);
    return 0;
  },
});

const firstOf = (choices: Readonly<Record<string, readonly string[]>>) =>
  Object.fromEntries(Object.entries(choices).map(([name, [first]]) => [name, first]));

function choiceOf(
  { values }: Pick<CommandContext, "values">,
  name: string,
  choices: readonly string[],
): string {
  const value = String(values[name]);
  if (choices.includes(value)) return value;
  throw new CommandError(`--${name} must be ${choices.join(" or ")}; see --help`);
}

/** Returns a breach if the p99 of take-overs is more than the lease and half a second. */
export function slowTakeOvers({ p99 }: Distribution, leaseMs: number): string[] {
  const allowedMs = leaseMs + 500;
  return p99 < allowedMs
    ? []
    : [`the p99 of take-overs is ${p99} ms, it must be less than ${allowedMs} ms`];
}

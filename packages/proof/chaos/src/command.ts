import {
  type Command,
  type CommandContext,
  type Distribution,
  numberOf,
  temporaryFolder,
} from "@tercet/cli";

export interface ChaosCommand extends Pick<Command, "help" | "options"> {
  /** Runs on a system whose data is in `dataDir`. Resolves to what was breached. */
  run(context: CommandContext, dataDir: string): Promise<readonly string[]>;
}

/**
 * Returns a command that runs in a folder of its own, prints breaches, and keeps the folder if
 * there are any. Its exit code is 1 then.
 */
export const chaosCommand = ({ help, options = {}, run }: ChaosCommand): Command => ({
  help,
  options,
  run: async (context) => {
    const { terminal } = context;
    if ("seed" in options) terminal.line(`seed ${numberOf(context, "seed")}`);
    const folder = await temporaryFolder("chaos");
    const breaches = await run(context, folder.path);
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

export const durationOf = (context: CommandContext): number =>
  60_000 * numberOf(context, "minutes");

/** Returns a breach if the 99th percentile of take-overs is more than the lease and 1 s. */
export function slowTakeOvers({ p99 }: Distribution, leaseMs: number): string[] {
  const allowedMs = leaseMs + 1_000;
  return p99 < allowedMs
    ? []
    : [`the p99 of take-overs is ${p99} ms, it must be less than ${allowedMs} ms`];
}

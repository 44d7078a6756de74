import { type CommandContext, temporaryFolder } from "@tercet/cli";

export interface Verdict {
  readonly breaches: readonly string[];
}

/**
 * Runs it in a folder of its own, which is kept for a look at the logs when something was breached;
 * answers the exit code.
 */
export async function inFolder(
  { terminal }: Pick<CommandContext, "terminal">,
  run: (dataDir: string) => Promise<Verdict>,
): Promise<number> {
  const folder = await temporaryFolder("chaos");
  const { breaches } = await run(folder.path);
  for (const breach of breaches) terminal.line(`${terminal.styled("red", "✗")} ${breach}`);
  if (breaches.length > 0) {
    terminal.line(`databases and logs are kept in ${folder.path}`);
    return 1;
  }
  await folder[Symbol.asyncDispose]();
  terminal.line(`${terminal.styled("green", "✓")} nothing was breached`);
  return 0;
}

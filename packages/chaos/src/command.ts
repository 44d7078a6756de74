import { type CommandContext, temporaryFolder } from "@tercet/stack";

export interface Verdict {
  readonly breaches: readonly string[];
}

/** Runs it in a folder of its own, which is kept for a look at the logs when something was breached; answers the exit code. */
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

/** Shows a line that changes: drawn over where that can be, else written every 10 s and when `part` changes. */
export function liveLine({ terminal }: Pick<CommandContext, "terminal">): (line: string, part?: string) => void {
  const everyMs = terminal.live ? 200 : 10_000;
  let shownAt = Number.NEGATIVE_INFINITY;
  let shownPart: string | undefined;
  return (line, part) => {
    const now = performance.now();
    if (part === shownPart && now - shownAt < everyMs) return;
    [shownAt, shownPart] = [now, part];
    if (terminal.live) terminal.draw([line]);
    else terminal.line(line);
  };
}

import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type CommandContext, StackError } from "@tercet/stack";

export function numberOf({ values }: Pick<CommandContext, "values">, name: string): number {
  const number = Number(values[name]);
  if (!(number > 0)) throw new StackError(`--${name} is a number, more than 0; see --help`);
  return number;
}

export interface Verdict {
  readonly breaches: readonly string[];
}

/** Runs it in a folder of its own, which is kept for a look at the logs when something was breached; answers the exit code. */
export async function inFolder(
  { terminal }: Pick<CommandContext, "terminal">,
  run: (dataDir: string) => Promise<Verdict>,
): Promise<number> {
  const dataDir = await mkdtemp(join(tmpdir(), "tercet-chaos-"));
  // As root the database runs as another user, who must be able to enter.
  await chmod(dataDir, 0o755);
  const { breaches } = await run(dataDir);
  for (const breach of breaches) terminal.line(`${terminal.styled("red", "✗")} ${breach}`);
  if (breaches.length > 0) {
    terminal.line(`databases and logs are kept in ${dataDir}`);
    return 1;
  }
  await rm(dataDir, { recursive: true, force: true });
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

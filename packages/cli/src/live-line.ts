import type { CommandContext } from "./command.ts";

/**
 * Shows a line that changes: drawn over where that can be, else written every 10 s and when `part`
 * changes.
 */
export function liveLine({
  terminal,
}: Pick<CommandContext, "terminal">): (line: string, part?: string) => void {
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

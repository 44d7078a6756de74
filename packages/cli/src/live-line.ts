import type { CommandContext } from "./command.ts";

/**
 * Returns a function that shows a changing line: in place on a live terminal; elsewhere written
 * every 10 s and when `part` changes.
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

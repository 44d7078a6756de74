const SHOWN = new Set(["warn", "error", "fatal"]);

/**
 * Returns a line of a service's log for a terminal: warnings and errors in short, what is not JSON
 * as it is; undefined for all other lines.
 */
export function readable(service: string, line: string): string | undefined {
  const entry = parse(line);
  if (entry === undefined) return line.trim() === "" ? undefined : `${service}: ${line}`;
  if (!SHOWN.has(String(entry.level))) return undefined;
  const cause = entry.err?.message;
  return `${service} ${entry.level}: ${entry.msg}${cause === undefined ? "" : ` (${cause})`}`;
}

/** The `event` field of a line of a service's log: its name for programs. */
export const eventOf = (line: string): string | undefined => parse(line)?.event;

interface LogEntry {
  readonly event?: string;
  readonly level?: string;
  readonly msg?: string;
  readonly err?: { readonly message?: string };
}

function parse(line: string): LogEntry | undefined {
  if (!line.startsWith("{")) return undefined;
  try {
    return JSON.parse(line) as LogEntry;
  } catch {
    return undefined;
  }
}

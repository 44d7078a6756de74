import { createLogger, type Logger } from "@tercet/service";

/** Returns a logger and the lines that it writes. */
export function capturedLog(): { readonly log: Logger; readonly lines: string[] } {
  const lines: string[] = [];
  return {
    log: createLogger({ name: "identity", level: "trace" }, { write: (line) => lines.push(line) }),
    lines,
  };
}

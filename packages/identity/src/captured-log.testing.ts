import { createLogger, type Logger } from "@tercet/service";

/** A logger whose lines can be read. */
export function capturedLog(): { readonly log: Logger; readonly lines: string[] } {
  const lines: string[] = [];
  return {
    log: createLogger({ name: "identity", level: "trace" }, { write: (line) => lines.push(line) }),
    lines,
  };
}

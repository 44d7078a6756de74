import { Code, ConnectError } from "@connectrpc/connect";
import { CommandError } from "@tercet/cli";
import { ErrorInfoSchema } from "@tercet/gen/common/v1/error";
import { CORRELATION_HEADER } from "@tercet/service";
import { CommanderError } from "commander";

/** What the command exits with; `help.ts` documents them. */
export const EXIT = {
  done: 0,
  refused: 1,
  usage: 2,
  loggedOut: 3,
  unknown: 4,
  interrupted: 130,
} as const;

/** A problem that the command itself finds, with the code to exit with. */
export class AdminError extends CommandError {
  readonly exitCode: number;

  constructor(message: string, exitCode: number = EXIT.refused, options?: ErrorOptions) {
    super(message, options);
    this.exitCode = exitCode;
  }
}

export interface Explained {
  /** For the person who ran the command; empty if commander has printed it. */
  readonly text: string;
  readonly exitCode: number;
}

export function explain(error: unknown): Explained {
  // connect wraps what an interceptor throws.
  if (error instanceof ConnectError && error.cause instanceof AdminError)
    return explain(error.cause);
  if (error instanceof CommanderError)
    return { text: "", exitCode: error.exitCode === 0 ? EXIT.done : EXIT.usage };
  if (error instanceof AdminError) return { text: error.message, exitCode: error.exitCode };
  if (error instanceof ConnectError)
    return { text: explainCall(error), exitCode: EXIT_CODES[error.code] ?? EXIT.refused };
  if (error instanceof Error && error.name === "ExitPromptError")
    return { text: "", exitCode: EXIT.interrupted };
  const text = error instanceof CommandError ? error.message : stackOf(error);
  return { text, exitCode: EXIT.refused };
}

const EXIT_CODES: Readonly<Partial<Record<Code, number>>> = {
  [Code.Unauthenticated]: EXIT.loggedOut,
  [Code.Unavailable]: EXIT.unknown,
  [Code.DeadlineExceeded]: EXIT.unknown,
};

/** The server's own words, its reason for programs, and the id to find the call in its logs. */
function explainCall(error: ConnectError): string {
  const [info] = error.findDetails(ErrorInfoSchema);
  const facts = Object.entries(info?.metadata ?? {}).map(([name, value]) => `${name}: ${value}`);
  const code = Code[error.code]?.replace(/(?<=.)[A-Z]/g, "_$&").toLowerCase() ?? "";
  const names = [...(info ? [info.reason] : []), code, ...facts].join(", ");
  const id = error.metadata.get(CORRELATION_HEADER);
  return [`${error.rawMessage} (${names})`, ...(id ? [`correlation id: ${id}`] : [])].join("\n");
}

const stackOf = (error: unknown): string =>
  error instanceof Error ? (error.stack ?? error.message) : String(error);

import { Code, ConnectError } from "@connectrpc/connect";
import { ErrorInfoSchema } from "@tercet/gen/common/v1/error";

/** An error as a person reads it. */
export interface Problem {
  /** The service's own words. */
  readonly message: string;
  /** "OUT_OF_STOCK", or the name of the code if the service gave no reason. */
  readonly reason: string;
  /** Of the field that broke its rule. */
  readonly field: string | undefined;
  /** With which the service's logs can be searched. */
  readonly correlationId: string | undefined;
  readonly retryable: boolean;
}

/** After these the outcome is unknown, and the same request with the same id is safe. */
const UNKNOWN_OUTCOME: ReadonlySet<Code> = new Set([
  Code.Unavailable,
  Code.DeadlineExceeded,
  Code.Aborted,
]);

export function toProblem(error: unknown): Problem {
  const { code, rawMessage, metadata, ...rest } = connectError(error);
  const [info] = rest.error.findDetails(ErrorInfoSchema);
  return {
    message: inWords(code, rawMessage),
    reason: info?.reason || codeName(code),
    field: info?.metadata["field"],
    correlationId: metadata.get("x-correlation-id") ?? undefined,
    retryable: UNKNOWN_OUTCOME.has(code),
  };
}

const connectError = (error: unknown) => {
  const found = ConnectError.from(error);
  return { error: found, code: found.code, rawMessage: found.rawMessage, metadata: found.metadata };
};

export const isUnknownOutcome = (error: unknown): boolean =>
  UNKNOWN_OUTCOME.has(ConnectError.from(error).code);

/** "deadline_exceeded" */
const codeName = (code: Code): string =>
  (Code[code] ?? "unknown").replace(/(?<=.)[A-Z]/g, "_$&").toUpperCase();

function inWords(code: Code, message: string): string {
  if (code === Code.Unknown && /fetch|network/i.test(message))
    return "The service cannot be reached. Check that it runs, and your connection.";
  const sentence = message.trim();
  return sentence === "" ? "The service gave no reason." : upperFirst(sentence);
}

const upperFirst = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);

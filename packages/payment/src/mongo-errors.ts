import { RequestError } from "@tercet/service";
import {
  MongoError,
  MongoNetworkError,
  MongoServerError,
  MongoServerSelectionError,
  MongoWriteConcernError,
} from "mongodb";

/**
 * Interrupted, stepped down, shutting down, out of time, not enough members for the write concern.
 */
const TRANSIENT_CODES: ReadonlySet<unknown> = new Set([
  6, 7, 50, 63, 64, 89, 91, 100, 189, 262, 9001, 10_107, 11_600, 11_602, 13_435, 13_436,
]);

/**
 * UNAVAILABLE when the server could not be reached or did not finish: what became of a write is
 * unknown, and asking again is safe. Undefined for any other error.
 */
function asUnavailable(error: unknown): RequestError | undefined {
  return isTransient(error)
    ? new RequestError(
        "UNAVAILABLE",
        "a dependency is unavailable; try again",
        {},
        { cause: error },
      )
    : undefined;
}

function isTransient(error: unknown): boolean {
  if (
    error instanceof MongoNetworkError ||
    error instanceof MongoServerSelectionError ||
    error instanceof MongoWriteConcernError
  )
    return true;
  if (error instanceof MongoServerError) return TRANSIENT_CODES.has(error.code);
  return (
    error instanceof MongoError &&
    (error.hasErrorLabel("RetryableWriteError") || error.name === "MongoWaitQueueTimeoutError")
  );
}

/**
 * A server that did not answer is told apart from a refusal, here where the driver's errors are
 * understood.
 */
export async function reach<T>(operation: Promise<T>): Promise<T> {
  try {
    return await operation;
  } catch (error) {
    throw asUnavailable(error) ?? error;
  }
}

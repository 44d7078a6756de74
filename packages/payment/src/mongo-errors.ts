import { RequestError } from "@tercet/service";
import {
  MongoError,
  MongoNetworkError,
  MongoServerError,
  MongoServerSelectionError,
  MongoWriteConcernError,
} from "mongodb";

export const DUPLICATE_KEY = 11_000;

/** Interrupted, stepped down, shutting down, timed out, too few members for the write concern. */
const TRANSIENT_CODES: ReadonlySet<unknown> = new Set([
  6, 7, 50, 63, 64, 89, 91, 100, 189, 262, 9001, 10_107, 11_600, 11_602, 13_435, 13_436,
]);

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
 * Awaits an operation. A server that could not be reached or did not finish becomes UNAVAILABLE:
 * the outcome of a write is unknown, and the same write is safe to repeat.
 */
export async function reach<T>(operation: Promise<T>): Promise<T> {
  try {
    return await operation;
  } catch (error) {
    if (!isTransient(error)) throw error;
    const message = "a dependency is unavailable; try again";
    throw new RequestError("UNAVAILABLE", message, {}, { cause: error });
  }
}

import { randomBytes } from "node:crypto";
import { availableParallelism } from "node:os";
import { hash as argon2, parseOptions, verify } from "@node-rs/argon2";
import { RequestError } from "@tercet/service";
import { BulkheadRejectedError, bulkhead } from "cockatiel";

/**
 * argon2id as OWASP's Password Storage Cheat Sheet recommends: 19 MiB, two passes, one lane; about
 * 35 ms.
 */
const PARAMETERS = { algorithm: 2, memoryCost: 19_456, timeCost: 2, parallelism: 1 } as const;

export interface Verdict {
  readonly matches: boolean;
  /** Set if the password matches a hash with outdated parameters: its hash with current ones. */
  readonly rehash?: string;
}

export interface Passwords {
  /**
   * Runs work that hashes one password at a time, with a place in the queue that is its own from
   * the start. Throws OVERLOADED at once, before the work, if there is none.
   */
  admit<T>(work: () => Promise<T>): Promise<T>;
  /** Returns a PHC string. Throws OVERLOADED. */
  hash(password: string, signal?: AbortSignal): Promise<string>;
  /** Without a stored hash takes as long as with one and never matches. Throws OVERLOADED. */
  verify(password: string, stored: string | undefined, signal?: AbortSignal): Promise<Verdict>;
}

/**
 * Bounds hashing: it shares one thread pool with DNS and zlib and occupies a core, so at most one
 * hash runs per core, `queue` calls wait in order, and further calls throw OVERLOADED at once.
 */
export async function createPasswords(options: {
  readonly queue: number;
  readonly concurrency?: number;
}): Promise<Passwords> {
  const concurrency = options.concurrency ?? availableParallelism();
  const gate = bulkhead(concurrency, options.queue);
  const entrance = bulkhead(concurrency + options.queue);
  const decoy = await argon2(randomBytes(32), PARAMETERS);

  const throughGate = <T>(run: () => Promise<T>, signal?: AbortSignal): Promise<T> =>
    gate.execute(run, signal).catch((error: unknown) => {
      signal?.throwIfAborted();
      throw error instanceof BulkheadRejectedError ? overloaded(error) : error;
    });

  return {
    admit: (work) =>
      entrance.execute(work).catch((error: unknown) => {
        throw error instanceof BulkheadRejectedError ? overloaded(error) : error;
      }),
    hash: (password, signal) => throughGate(() => argon2(normalize(password), PARAMETERS), signal),
    verify: (password, stored, signal) =>
      throughGate(() => judge(normalize(password), stored, decoy), signal),
  };
}

async function judge(
  password: string,
  stored: string | undefined,
  decoy: string,
): Promise<Verdict> {
  const matches = await verify(stored ?? decoy, password);
  if (!matches || stored === undefined) return { matches: false };
  return needsRehash(stored)
    ? { matches, rehash: await argon2(password, PARAMETERS) }
    : { matches };
}

function needsRehash(stored: string): boolean {
  const used = parseOptions(stored);
  return (Object.keys(PARAMETERS) as (keyof typeof PARAMETERS)[]).some(
    (name) => used[name] !== PARAMETERS[name],
  );
}

/** Keyboards compose the same letter in different ways. */
const normalize = (password: string): string => password.normalize("NFC");

const overloaded = (cause: Error) =>
  new RequestError(
    "OVERLOADED",
    "too many logins at once; try again",
    {},
    { cause, retryAfterMs: 1_000 },
  );

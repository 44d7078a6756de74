import { randomBytes } from "node:crypto";
import { availableParallelism } from "node:os";
import { hash as argon2, parseOptions, verify } from "@node-rs/argon2";
import { RequestError } from "@tercet/service";
import { BulkheadRejectedError, bulkhead } from "cockatiel";

/**
 * argon2id as OWASP's Password Storage Cheat Sheet has it: 19 MiB, two passes, one lane. About 35
 * ms.
 */
const parameters = { algorithm: 2, memoryCost: 19_456, timeCost: 2, parallelism: 1 } as const;

export interface Verdict {
  readonly matches: boolean;
  /** When the password matches a hash with other parameters than today's: its hash with today's. */
  readonly rehash?: string;
}

export interface Passwords {
  /** A PHC string. Throws OVERLOADED. */
  hash(password: string, signal?: AbortSignal): Promise<string>;
  /** Without a stored hash it takes as long as with one, and never matches. Throws OVERLOADED. */
  verify(password: string, stored: string | undefined, signal?: AbortSignal): Promise<Verdict>;
}

/**
 * Hashing shares one thread pool with DNS and zlib and takes a core for its whole time, so at most
 * one runs per core, `queue` wait in order, and the rest is refused at once.
 */
export async function createPasswords(options: {
  readonly queue: number;
  readonly concurrency?: number;
}): Promise<Passwords> {
  const gate = bulkhead(options.concurrency ?? availableParallelism(), options.queue);
  const decoy = await argon2(randomBytes(32), parameters);

  const throughGate = <T>(run: () => Promise<T>, signal?: AbortSignal): Promise<T> =>
    gate.execute(run, signal).catch((error: unknown) => {
      signal?.throwIfAborted();
      throw error instanceof BulkheadRejectedError ? overloaded(error) : error;
    });

  return {
    hash: (password, signal) => throughGate(() => argon2(normalize(password), parameters), signal),
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
    ? { matches, rehash: await argon2(password, parameters) }
    : { matches };
}

function needsRehash(stored: string): boolean {
  const used = parseOptions(stored);
  return (Object.keys(parameters) as (keyof typeof parameters)[]).some(
    (name) => used[name] !== parameters[name],
  );
}

/** Keyboards differ in how they compose one and the same letter. */
const normalize = (password: string): string => password.normalize("NFC");

const overloaded = (cause: Error) =>
  new RequestError(
    "OVERLOADED",
    "too many logins at once; try again",
    {},
    { cause, retryAfterMs: 1_000 },
  );

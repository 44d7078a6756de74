import { randomUUID } from "node:crypto";
import { chmod, mkdir, open, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { lock } from "proper-lockfile";
import { z } from "zod";
import { AdminError, EXIT } from "./errors.ts";

/** A process that holds the lock refreshes it; one that died is ignored after this time. */
const STALE_MS = 20_000;
const WAIT = { retries: 120, minTimeout: 50, maxTimeout: 250 };

/** Resolves to the entry at a key of a JSON file that only this user may read, if there is one. */
export async function readEntry<T>(
  file: string,
  entry: z.ZodType<T>,
  key: string,
): Promise<T | undefined> {
  return (await readEntries(file, entry))[key];
}

/**
 * Replaces the entry at a key by what `change` resolves to; undefined removes it. Of several
 * processes, one at a time changes the file.
 */
export async function changeEntry<T, Changed extends T | undefined>(
  file: string,
  entry: z.ZodType<T>,
  key: string,
  change: (current: T | undefined) => Promise<Changed>,
): Promise<Changed> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  const release = await lock(file, {
    realpath: false,
    stale: STALE_MS,
    retries: WAIT,
    // Thrown otherwise where no one can catch it; `release` then rejects.
    onCompromised: () => {},
  }).catch((error: unknown) => {
    throw new AdminError(`${file} is in use by another process; try again`, EXIT.refused, {
      cause: error,
    });
  });
  try {
    const { [key]: current, ...others } = await readEntries(file, entry);
    const changed = await change(current);
    if (changed !== current)
      await write(file, changed === undefined ? others : { ...others, [key]: changed });
    return changed;
  } finally {
    await release().catch(() => {});
  }
}

async function readEntries<T>(
  file: string,
  entry: z.ZodType<T>,
): Promise<Readonly<Record<string, T>>> {
  const text = await readPrivate(file);
  if (text === undefined) return {};
  try {
    return z.record(z.string(), entry).parse(JSON.parse(text));
  } catch (error) {
    throw new AdminError(`${file} is damaged: remove it and log in again`, EXIT.loggedOut, {
      cause: error,
    });
  }
}

const OTHERS = 0o077;

/** Throws AdminError if other users of this machine may read the file. */
async function readPrivate(file: string): Promise<string | undefined> {
  try {
    await using handle = await open(file);
    const { mode } = await handle.stat();
    if (process.platform !== "win32" && (mode & OTHERS) !== 0)
      throw new AdminError(
        `${file} can be read by other users: remove it, and log in again`,
        EXIT.loggedOut,
      );
    return await readFile(handle, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/** Renamed when complete: a process that is killed here leaves the old file. */
async function write(file: string, content: Readonly<Record<string, unknown>>): Promise<void> {
  const next = `${file}.${randomUUID()}`;
  try {
    await writeFile(next, `${JSON.stringify(content, null, 2)}\n`, { mode: 0o600, flag: "wx" });
    // A umask can only take more away; this is for file systems that ignore `mode`.
    await chmod(next, 0o600);
    await rename(next, file);
  } finally {
    await rm(next, { force: true });
  }
}

import { randomUUID } from "node:crypto";
import { chmod, mkdir, open, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import envPaths from "env-paths";
import { lock } from "proper-lockfile";
import { z } from "zod";
import { AdminError, EXIT } from "./errors.ts";

const login = z.object({
  email: z.string(),
  userId: z.string(),
  accessToken: z.string(),
  /** By this machine's clock, in milliseconds since 1970. */
  accessExpireMs: z.number(),
  refreshToken: z.string(),
});
export type Login = z.output<typeof login>;

const logins = z.record(z.string(), login);

/** The user's configuration folder, by the rules of the operating system (XDG_CONFIG_HOME). */
export const loginFile = (): string =>
  join(envPaths("tercet", { suffix: "" }).config, "logins.json");

/** A process that holds the lock refreshes it; one that died is ignored after this time. */
const STALE_MS = 20_000;
const WAIT = { retries: 120, minTimeout: 50, maxTimeout: 250 };

/** Resolves to the login at a system; undefined if there is none. */
export async function readLogin(file: string, system: string): Promise<Login | undefined> {
  return (await readLogins(file))[system];
}

/**
 * Replaces the login at a system by what `change` resolves to; undefined removes it. Of several
 * processes, one at a time changes the file: a refresh token can be used once.
 */
export async function changeLogin<T extends Login | undefined>(
  file: string,
  system: string,
  change: (current: Login | undefined) => Promise<T>,
): Promise<T> {
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
    const { [system]: current, ...others } = await readLogins(file);
    const changed = await change(current);
    if (changed !== current)
      await writeLogins(file, changed === undefined ? others : { ...others, [system]: changed });
    return changed;
  } finally {
    await release().catch(() => {});
  }
}

async function readLogins(file: string): Promise<Readonly<Record<string, Login>>> {
  const text = await readPrivate(file);
  if (text === undefined) return {};
  try {
    return logins.parse(JSON.parse(text));
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
async function writeLogins(file: string, content: Readonly<Record<string, Login>>): Promise<void> {
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

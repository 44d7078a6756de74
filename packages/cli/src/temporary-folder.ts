import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CommandError } from "./errors.ts";

export interface TemporaryFolder extends AsyncDisposable {
  readonly path: string;
}

/**
 * Makes an empty folder; disposing of it removes it with everything in it. Throws CommandError if
 * the system's folder for temporary files cannot be written.
 */
export async function temporaryFolder(purpose: string): Promise<TemporaryFolder> {
  const path = await make(join(tmpdir(), `tercet-${purpose}-`));
  // Started by root, PostgreSQL runs as another user, who must be able to enter.
  await chmod(path, 0o755);
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

const make = (prefix: string): Promise<string> =>
  mkdtemp(prefix).catch((error: NodeJS.ErrnoException) => {
    throw new CommandError(
      `the folder for temporary files, ${tmpdir()}, cannot be written (${error.code}): set TMPDIR to one that can`,
      { cause: error },
    );
  });

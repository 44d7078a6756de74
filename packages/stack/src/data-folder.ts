import { createHash } from "node:crypto";
import { mkdir, realpath, rm, writeFile } from "node:fs/promises";
import { connect, createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { StackError } from "./errors.ts";

/** Where a stack keeps what outlives it. One stack at a time holds the folder. */
export interface DataFolder extends AsyncDisposable {
  readonly path: string;
  /** The stack that held it before ended without letting go: its processes may still be ending. */
  readonly leftBehind: boolean;
  /** The path of something in it. */
  file(...names: readonly string[]): string;
}

/**
 * Makes the folder when it is missing, and takes it. Throws StackError when it cannot be written or
 * another stack holds it.
 */
export async function openDataFolder(path: string): Promise<DataFolder> {
  await makeWritable(path);
  const { server, leftBehind } = await lock(path);
  return {
    path,
    leftBehind,
    file: (...names) => join(path, ...names),
    [Symbol.asyncDispose]: async () => {
      await new Promise((closed) => server.close(closed));
    },
  };
}

async function makeWritable(path: string): Promise<void> {
  const probe = join(path, `.probe-${process.pid}`);
  try {
    await makeFolder(join(path, "logs"));
    await writeFile(probe, "");
    await rm(probe);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new StackError(
      `the folder ${path} cannot be written (${code}): set DATA_DIR to one that can`,
      { cause: error },
    );
  }
}

/**
 * Level by level: Node's own recursive mkdir never ends where nothing can be made (under /proc).
 */
async function makeFolder(path: string): Promise<void> {
  const make = () =>
    mkdir(path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "EEXIST") throw error;
    });
  try {
    await make();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    await makeFolder(dirname(path));
    await make();
  }
}

/**
 * A socket that somebody answers at means that the folder is held; one that nobody answers at, that
 * its owner was killed. Unlike a file with a process id, it cannot be mistaken. It lies in the
 * system's folder for temporary files because the path of a socket must be short.
 */
async function lock(path: string): Promise<{ server: Server; leftBehind: boolean }> {
  const id = createHash("sha256")
    .update(await realpath(path))
    .digest("hex")
    .slice(0, 16);
  const socket = join(tmpdir(), `tercet-${id}.sock`);
  const first = await listen(socket);
  if (first !== undefined) return { server: first, leftBehind: false };
  if (await answers(socket)) throw heldBy(path);
  await rm(socket, { force: true });
  const second = await listen(socket);
  if (second === undefined) throw heldBy(path);
  return { server: second, leftBehind: true };
}

const heldBy = (path: string) =>
  new StackError(
    `another stack runs on the folder ${path}: stop it, or set DATA_DIR to another folder`,
  );

async function listen(socket: string): Promise<Server | undefined> {
  const server = createServer((connection) => connection.destroy());
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject).listen(socket, resolve);
  try {
    await promise;
    return server.unref();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EADDRINUSE") return undefined;
    throw error;
  }
}

function answers(socket: string): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const connection = connect(socket);
  connection.once("connect", () => resolve(true));
  // Another account's socket may not be connected to, and is held all the same.
  connection.once("error", ({ code }: NodeJS.ErrnoException) =>
    resolve(code === "EACCES" || code === "EPERM"),
  );
  return promise.finally(() => connection.destroy());
}

import { createHash } from "node:crypto";
import { mkdir, realpath, rm, writeFile } from "node:fs/promises";
import { connect, createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { StackError } from "./errors.ts";

/** The folder that keeps a stack's state between runs. One stack at a time holds it. */
export interface DataFolder extends AsyncDisposable {
  readonly path: string;
  /** The stack that held it before was killed: its processes may still be ending. */
  readonly leftBehind: boolean;
  /** Returns the path of a file in it. */
  file(...names: readonly string[]): string;
}

/**
 * Creates the folder if it is missing, and locks it. Throws StackError if it cannot be written or
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

/** Level by level: Node's recursive mkdir never ends where no folder can be created (/proc). */
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
 * Locks by a socket: if connections to it are accepted, another stack holds the folder; if they are
 * refused, that stack was killed. A file with a process id cannot tell the two apart. The socket is
 * in the system's temporary folder because the path of a socket must be short.
 */
async function lock(path: string): Promise<{ server: Server; leftBehind: boolean }> {
  const id = createHash("sha256")
    .update(await realpath(path))
    .digest("hex")
    .slice(0, 16);
  const socket = join(tmpdir(), `tercet-${id}.sock`);
  const first = await listen(socket);
  if (first !== undefined) return { server: first, leftBehind: false };
  if (await isAccepted(socket)) throw heldBy(path);
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

function isAccepted(socket: string): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const connection = connect(socket);
  connection.once("connect", () => resolve(true));
  // A socket of another account, which may not be connected to: the folder is held.
  connection.once("error", ({ code }: NodeJS.ErrnoException) =>
    resolve(code === "EACCES" || code === "EPERM"),
  );
  return promise.finally(() => connection.destroy());
}

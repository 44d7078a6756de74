import { z } from "zod";
import { ConfigError, parseEnv, readEnv } from "../config.ts";
import { SchemaBehindError } from "../postgres/migrations.ts";
import { createLogger } from "../telemetry/log.ts";
import { finishBeforeExit } from "./exit.ts";

/**
 * A process around a service: starts it, waits for SIGTERM or SIGINT, drains it; a start that waits
 * for something, a database perhaps, is given up. Says what is wrong in one paragraph when it
 * cannot start.
 */
export async function runService(start: () => Promise<AsyncDisposable>): Promise<void> {
  const stopped = signalled();
  try {
    const service = await Promise.race([start(), stopped]);
    await stopped;
    await service?.[Symbol.asyncDispose]();
    await finishBeforeExit();
    process.exit(0);
  } catch (error) {
    process.stderr.write(`${explain(error)}\n`);
    process.exit(1);
  }
}

const migrationEnv = z.object({ DATABASE_URL: z.string(), ENVIRONMENT: z.string().optional() });
/** What a shell says of a process that SIGTERM ended. */
const TERMINATED = 128 + 15;

/**
 * A process that brings a database's schema up to date and ends: with 0 when it is. Of the
 * environment it needs DATABASE_URL and nothing else, so that it can run before there are secrets
 * for a service. A signal ends it; what has been migrated by then stays, and the next run goes on
 * from there.
 */
export async function runMigration(
  name: string,
  migrate: (databaseUrl: string) => Promise<void>,
): Promise<void> {
  // As process 1 of a container it would not be ended by a signal that it does not listen to.
  void signalled().then(() => process.exit(TERMINATED));
  try {
    const { DATABASE_URL, ENVIRONMENT } = parseEnv(name, migrationEnv, readEnv());
    await migrate(DATABASE_URL);
    createLogger({ name, level: "info", ...(ENVIRONMENT && { environment: ENVIRONMENT }) }).info(
      "the schema is up to date",
    );
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
  if (error instanceof ConfigError || error instanceof SchemaBehindError) return error.message;
  const { code, port } = error as NodeJS.ErrnoException & { port?: number };
  if (code === "EADDRINUSE")
    return `port ${port} is in use; set PORT to another one, or stop what listens there`;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

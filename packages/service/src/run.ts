import { ConfigError } from "./config.ts";
import { finishBeforeExit } from "./exit.ts";

/** A process around a service: starts it, waits for SIGTERM or SIGINT, drains it; a start that waits for something, a database perhaps, is given up. Says what is wrong in one paragraph when it cannot start. */
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

function signalled(): Promise<undefined> {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  process.once("SIGTERM", () => resolve(undefined));
  process.once("SIGINT", () => resolve(undefined));
  return promise;
}

function explain(error: unknown): string {
  if (error instanceof ConfigError) return error.message;
  const { code, port } = error as NodeJS.ErrnoException & { port?: number };
  if (code === "EADDRINUSE") return `port ${port} is in use; set PORT to another one, or stop what listens there`;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

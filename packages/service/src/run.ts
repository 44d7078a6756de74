import { ConfigError } from "./config.ts";

/** A process around a service: starts it, waits for SIGTERM or SIGINT, drains it. Says what is wrong in one paragraph when it cannot start. */
export async function runService(start: () => Promise<AsyncDisposable>): Promise<void> {
  const stopped = signalled();
  try {
    const service = await start();
    await stopped;
    await service[Symbol.asyncDispose]();
    process.exit(0);
  } catch (error) {
    process.stderr.write(`${explain(error)}\n`);
    process.exit(1);
  }
}

function signalled(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  process.once("SIGTERM", () => resolve());
  process.once("SIGINT", () => resolve());
  return promise;
}

function explain(error: unknown): string {
  if (error instanceof ConfigError) return error.message;
  const { code, port } = error as NodeJS.ErrnoException & { port?: number };
  if (code === "EADDRINUSE") return `port ${port} is in use; set PORT to another one, or stop what listens there`;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

import { envToConfig } from "./config.ts";
import { startConsoleServer } from "./console-server.ts";

try {
  const server = await startConsoleServer(envToConfig(process.env));
  log("started", { url: server.url });
  for (const signal of ["SIGTERM", "SIGINT"] as const)
    process.once(signal, async () => {
      log("stopping", { signal });
      await server[Symbol.asyncDispose]();
      log("stopped");
    });
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exitCode = 1;
}

/** A line as the services write it. */
function log(event: string, fields: Readonly<Record<string, string>> = {}): void {
  const line = { level: "info", time: new Date().toISOString(), service: "console", event };
  process.stdout.write(`${JSON.stringify({ ...line, ...fields })}\n`);
}

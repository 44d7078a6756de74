import { readEnv } from "@tercet/service";
import { loginFile } from "./login-file.ts";
import { runAdmin } from "./program.ts";

const { stdin, stdout, stderr } = process;
const interrupted = new AbortController();
for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
  process.on(name, () => interrupted.abort(new Error(name)));
// A reader that ends early, like `head`, is no failure.
for (const stream of [stdout, stderr]) stream.on("error", () => {});

process.exitCode = await runAdmin(process.argv.slice(2), {
  env: readEnv(),
  stdin,
  stdout,
  stderr,
  signal: interrupted.signal,
  loginFile: loginFile(),
});
// Idle connections would keep the process.
process.exit();

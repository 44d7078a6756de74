import { delimiter, join } from "node:path";
import { freePort, temporaryFolder } from "@tercet/cli";
import { toolsBin } from "@tercet/cli/repository";
import { startPostgres } from "@tercet/stack";

/**
 * What `pnpm tools` built is on the PATH. One PostgreSQL for all test files; each takes a database
 * of its own from it (`testDatabase`). An existing server can be named instead.
 */
export default async function setup(): Promise<() => Promise<void>> {
  process.env["PATH"] = [toolsBin, process.env["PATH"]].join(delimiter);
  if (process.env["TEST_POSTGRES_URL"] !== undefined) return async () => {};
  const folder = await temporaryFolder("test");
  const server = await startPostgres({
    folder: join(folder.path, "postgres"),
    port: await freePort(),
  });
  process.env["TEST_POSTGRES_URL"] = server.databaseUrl("postgres");
  return async () => {
    await server[Symbol.asyncDispose]();
    await folder[Symbol.asyncDispose]();
  };
}

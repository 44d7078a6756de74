import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort, startPostgres } from "./packages/stack/src/postgres.ts";

/** One PostgreSQL for all test files; each takes a database of its own from it (`testDatabase`). An existing server can be named instead. */
export default async function setup(): Promise<() => Promise<void>> {
  if (process.env["TEST_POSTGRES_URL"] !== undefined) return async () => {};
  const folder = await mkdtemp(join(tmpdir(), "tercet-test-"));
  // As root the server runs as another user, who must be able to enter.
  await chmod(folder, 0o755);
  const server = await startPostgres({ folder: join(folder, "postgres"), port: await freePort() });
  process.env["TEST_POSTGRES_URL"] = server.databaseUrl("postgres");
  return async () => {
    await server[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  };
}

import { delimiter, join } from "node:path";
import { compileCacheOf, freePort, ROOT, temporaryFolder } from "@tercet/cli";
import { toolsBin } from "@tercet/cli/repository";
import { startPostgres } from "@tercet/stack";
import { nameMongod } from "./vitest.mongod.ts";

/**
 * Prepares the environment of all tests: what `pnpm tools` built is on the PATH; what Node compiles
 * is kept for the next process that loads it; MongoDB's server is there for mongodb-memory-server;
 * and one PostgreSQL runs, of which each test file takes a database of its own (`testDatabase`),
 * unless TEST_POSTGRES_URL names a server.
 */
export default async function setup(): Promise<() => Promise<void>> {
  process.env["PATH"] = [toolsBin, process.env["PATH"]].join(delimiter);
  process.env["NODE_COMPILE_CACHE"] ??= compileCacheOf(ROOT);
  await nameMongod();
  if (process.env["TEST_POSTGRES_URL"] !== undefined) return async () => {};
  const folder = await temporaryFolder("test");
  const server = await startPostgres({
    folder: join(folder.path, "postgres"),
    port: await freePort(),
    password: crypto.randomUUID(),
  });
  process.env["TEST_POSTGRES_URL"] = server.databaseUrl("postgres");
  return async () => {
    await server[Symbol.asyncDispose]();
    await folder[Symbol.asyncDispose]();
  };
}

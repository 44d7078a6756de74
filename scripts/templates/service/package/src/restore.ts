import { importPostgres, migratePostgres, runRestore } from "@tercet/service";
import { MIGRATIONS } from "./postgres-store.ts";

await runRestore("acme", async (databaseUrl, path) => {
  await migratePostgres(databaseUrl, MIGRATIONS);
  await importPostgres(databaseUrl, path);
});

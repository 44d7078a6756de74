import { restorePostgres, runRestore } from "@tercet/service";
import { MIGRATIONS } from "./postgres-store.ts";

await runRestore("acme", (databaseUrl, path) => restorePostgres(databaseUrl, MIGRATIONS, path));

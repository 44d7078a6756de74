import { restorePostgres, runRestore } from "@tercet/service";
import { MIGRATIONS } from "./postgres-store.ts";

await runRestore("order", (databaseUrl, path) => restorePostgres(databaseUrl, MIGRATIONS, path));

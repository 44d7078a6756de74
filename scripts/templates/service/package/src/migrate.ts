import { migratePostgres, runMigration } from "@tercet/service";
import { MIGRATIONS } from "./postgres-store.ts";

await runMigration("acme", (databaseUrl) => migratePostgres(databaseUrl, MIGRATIONS));

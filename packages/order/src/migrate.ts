import { migratePostgres, runMigration } from "@tercet/service";
import { MIGRATIONS } from "./postgres-store.ts";

await runMigration("order", (databaseUrl) => migratePostgres(databaseUrl, MIGRATIONS));

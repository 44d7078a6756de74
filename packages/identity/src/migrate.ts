import { migratePostgres, runMigration } from "@tercet/service";
import { MIGRATIONS } from "./postgres-store.ts";

await runMigration("identity", (databaseUrl) => migratePostgres(databaseUrl, MIGRATIONS));

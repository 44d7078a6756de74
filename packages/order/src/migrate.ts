import { migratePostgres, runMigration } from "@tercet/service";
import { MIGRATIONS } from "./migrations.ts";

await runMigration("order", (databaseUrl) => migratePostgres(databaseUrl, MIGRATIONS));

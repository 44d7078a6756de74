import { migratePostgres, runMigration } from "@tercet/service";
import { migrations } from "./postgres-store.ts";

await runMigration("identity", (databaseUrl) => migratePostgres(databaseUrl, migrations));

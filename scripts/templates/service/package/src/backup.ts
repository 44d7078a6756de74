import { exportPostgres, runBackup } from "@tercet/service";

await runBackup("acme", exportPostgres);

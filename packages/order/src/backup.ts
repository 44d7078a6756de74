import { exportPostgres, runBackup } from "@tercet/service";

await runBackup("order", exportPostgres);

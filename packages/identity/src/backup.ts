import { exportPostgres, runBackup } from "@tercet/service";

await runBackup("identity", exportPostgres);

import { runBackup } from "@tercet/service";
import { exportPaymentStore, paymentDatabaseUrl } from "./connect-store.ts";

await runBackup("payment", exportPaymentStore, paymentDatabaseUrl);

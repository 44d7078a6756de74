import { runMigration } from "@tercet/service";
import { migratePaymentStore, paymentDatabaseUrl } from "./connect-store.ts";

await runMigration("payment", migratePaymentStore, paymentDatabaseUrl);

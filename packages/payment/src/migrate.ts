import { runMigration } from "@tercet/service";
import { migratePaymentStore } from "./connect-store.ts";

await runMigration("payment", migratePaymentStore);

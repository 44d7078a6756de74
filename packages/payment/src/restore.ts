import { runRestore } from "@tercet/service";
import { importPaymentStore, paymentDatabaseUrl } from "./connect-store.ts";

await runRestore("payment", importPaymentStore, paymentDatabaseUrl);

import { readEnv, runService } from "@tercet/service";
import { envToConfig } from "./config.ts";
import { createPaymentService } from "./payment-service.ts";

await runService(async () => createPaymentService(envToConfig(readEnv())));

import { readEnv, runService } from "@tercet/service";
import { envToConfig } from "./config.ts";
import { createOrderService } from "./order-service.ts";

await runService(() => createOrderService(envToConfig(readEnv())));

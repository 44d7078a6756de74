import { readEnv, runService } from "@tercet/service";
import { envToConfig } from "./config.ts";
import { createIdentityService } from "./identity-service.ts";

await runService(() => createIdentityService(envToConfig(readEnv())));

import { readEnv, runService } from "@tercet/service";
import { createAcmeService } from "./acme-service.ts";
import { envToConfig } from "./config.ts";

await runService(() => createAcmeService(envToConfig(readEnv())));

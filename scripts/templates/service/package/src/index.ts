export { type AcmeOverrides, createAcmeService } from "./acme-service.ts";
export { type AcmeConfig, acmeSettings, envToConfig } from "./config.ts";
export { acmeFailpoints } from "./failpoints.ts";

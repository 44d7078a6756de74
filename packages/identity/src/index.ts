export { envToConfig, type IdentityConfig, identitySettings } from "./config.ts";
export { createIdentityService, type IdentityOverrides } from "./identity-service.ts";
export { generateSigningKey, type SigningJwk } from "./keys.ts";
export type { SeedUser } from "./seed.ts";
export { hashClientSecret, type ServiceClient } from "./service-clients.ts";

export { type AuthRoute, authRoutes, authTarget } from "./auth-routes.ts";
export { kongYaml } from "./kong.ts";
export { type KongConfig, type KongPlugin, type KongRoute, type KongService, parseKongConfig } from "./kong-config.ts";
export { kongEnvProblems, parseEnvFile } from "./kong-env.ts";
export { gatewayProblems } from "./problems.ts";
export { normalized, type RoutableRequest, type Routed, routeOf } from "./router.ts";

export { type AuthRoute, authRoutes, authTarget } from "./auth-routes.ts";
export {
  type KongConfig,
  type KongPlugin,
  type KongRoute,
  type KongService,
  parseKongConfig,
} from "./kong-config.ts";
export { ourContracts, ourServices } from "./our-services.ts";
export { normalized, type RoutableRequest, type Routed, routeOf } from "./router.ts";

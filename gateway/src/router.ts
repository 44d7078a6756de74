import type { KongConfig, KongRoute, KongService } from "./kong-config.ts";

export interface Routed {
  readonly service: KongService;
  readonly route: KongRoute;
}

export interface RoutableRequest {
  readonly method: string;
  /** As it was sent, without its query. */
  readonly path: string;
  readonly contentType?: string | undefined;
}

/**
 * Which route Kong's router takes (`router_flavor = traditional_compatible`,
 * `kong/router/transform.lua`): of those whose every attribute fits, the one with most attributes,
 * then with most headers. Undefined when there is none. Throws where two fit equally, as Kong's
 * choice is then not ours.
 */
export function routeOf({ services }: KongConfig, request: RoutableRequest): Routed | undefined {
  const path = normalized(request.path);
  const all = services.flatMap((service) => service.routes.map((route) => ({ service, route })));
  const [first, second] = all
    .filter(({ route }) => fits(route, { ...request, path }))
    .sort((a, b) => weight(b.route) - weight(a.route));
  if (first !== undefined && second !== undefined && weight(first.route) === weight(second.route))
    throw new Error(
      `${request.method} ${request.path} fits both ${first.route.name} and ${second.route.name}`,
    );
  return first;
}

function fits(route: KongRoute, { method, path, contentType = "" }: RoutableRequest): boolean {
  if ("methods" in route && !route.methods.some((one) => one === method)) return false;
  if ("headers" in route && !route.headers["content-type"].includes(contentType.toLowerCase()))
    return false;
  return route.paths.some((pattern) => patternOf(pattern).test(path));
}

/** A path that begins with `~` is a regular expression, anchored at its begin only. */
export const patternOf = (path: string): RegExp => new RegExp(`^${path.slice(1)}`);

const MANY_HEADERS = 256;
const weight = (route: KongRoute): number =>
  ["methods", "headers", "paths"].filter((name) => name in route).length * MANY_HEADERS +
  ("headers" in route ? Object.keys(route.headers).length : 0);

const RESERVED = "!*'();:@&=+$,/?%#[]";

/**
 * RFC 3986: dots and needless escapes are resolved, slashes are one (`kong/tools/uri.lua`). It is
 * also what the upstream is sent.
 */
export function normalized(path: string): string {
  const decoded = path.replace(/%([\da-f]{2})/gi, (triplet, hex: string) => {
    const character = String.fromCharCode(Number.parseInt(hex, 16));
    return RESERVED.includes(character) ? triplet.toUpperCase() : character;
  });
  const kept: string[] = [];
  for (const segment of decoded.split("/")) {
    if (segment === "..") kept.pop();
    else if (segment !== "." && segment !== "") kept.push(segment);
  }
  const last = decoded.slice(decoded.lastIndexOf("/") + 1);
  return kept.length > 0 && ["", ".", ".."].includes(last)
    ? `/${kept.join("/")}/`
    : `/${kept.join("/")}`;
}

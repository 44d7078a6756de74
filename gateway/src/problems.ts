import type { DescMethod, DescService } from "@bufbuild/protobuf";
import { authRoutes } from "./auth-routes.ts";
import { CONSOLE_FILES, CONSOLE_PAGES } from "./console-paths.ts";
import { isExposed, isRead, isStream, pathOf } from "./exposure.ts";
import { WELL_KNOWN } from "./kong.ts";
import type { KongConfig } from "./kong-config.ts";
import { patternOf, type RoutableRequest, type Routed, routeOf } from "./router.ts";
import { upstreams } from "./settings.ts";

/**
 * What the gateway does wrong: a method that the outside cannot reach, or should not; a route that
 * points at nothing.
 */
export function gatewayProblems(config: KongConfig, services: readonly DescService[]): string[] {
  const methods = services.flatMap((service) => service.methods);
  const exposed = methods.filter(isExposed);
  const hidden = methods.filter((method) => !isExposed(method));
  return [
    ...exposed.flatMap((method) => unreachable(config, method)),
    ...[...hidden.map(pathOf), ...INSIDE].flatMap((path) => leaks(config, path)),
    ...deadRoutes(config, exposed),
  ];
}

/** Every service answers these at its own port. */
const INSIDE = [
  "/health/live",
  "/health/ready",
  "/metrics",
  "/revocations",
  "/auth/token",
  "/lab",
  "/lab/sign-in",
  "/grpc.health.v1.Health/Check",
  "/grpc.health.v1.Health/Watch",
  "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
  "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
];

const GRPC = "application/grpc";
const POST_TYPES = [
  "application/json",
  "application/proto",
  "application/grpc-web+proto",
  GRPC,
  `${GRPC}+proto`,
];

function requestsFor(method: DescMethod): RoutableRequest[] {
  const path = pathOf(method);
  const posts = POST_TYPES.map((contentType) => ({ method: "POST", path, contentType }));
  return isRead(method) && !isStream(method) ? [...posts, { method: "GET", path }] : posts;
}

function unreachable(config: KongConfig, method: DescMethod): string[] {
  return requestsFor(method).flatMap((request) => {
    const what = `${request.method} ${request.path} (${request.contentType ?? "no body"})`;
    const routed = routeOf(config, request);
    if (routed === undefined) return [`${what} is not routed`];
    return wrongFor(method, request, routed).map((problem) => `${what} ${problem}`);
  });
}

/** Services answer within 30 s; a stream has no such end. */
const LONGEST_ANSWER_MS = 30_000;
const LONG_SILENCE_MS = 600_000;

function wrongFor(
  method: DescMethod,
  { contentType }: RoutableRequest,
  { service: { host, port, protocol, retries, read_timeout }, route }: Routed,
): string[] {
  const upstream = upstreams[method.parent.typeName.split(".")[0] ?? ""];
  const wanted = contentType?.match(/^application\/grpc(\+|$)/) ? "grpc" : "http";
  const wantedPort = wanted === "grpc" ? upstream?.grpcPort : upstream?.port;
  const [stream, enough] = isStream(method) ? [true, LONG_SILENCE_MS] : [false, LONGEST_ANSWER_MS];
  const buffered = !("response_buffering" in route) || route.response_buffering !== false;
  const problems: [is: boolean, problem: string][] = [
    [host !== upstream?.host || port !== wantedPort, `goes to ${host}:${port}`],
    [protocol !== wanted, `goes to its upstream by ${protocol}`],
    [retries > 0, "is asked again by the gateway"],
    [read_timeout <= enough, "is given up too early"],
    [stream && protocol === "http" && buffered, "is a stream, and held back"],
  ];
  return problems.flatMap(([is, problem]) => (is ? [problem] : []));
}

function leaks(config: KongConfig, path: string): string[] {
  const types = [undefined, "application/json", "application/grpc-web+proto", GRPC];
  const leak = types
    .flatMap((contentType) => ["GET", "POST"].map((method) => ({ method, path, contentType })))
    .map((request) => routeOf(config, request))
    .find((routed) => routed !== undefined);
  return leak ? [`${path} is for the inside, and ${leak.route.name} leads to it`] : [];
}

function deadRoutes({ services }: KongConfig, exposed: readonly DescMethod[]): string[] {
  const rpcs = exposed.map(pathOf);
  const known = [
    ...rpcs,
    ...authRoutes.map(({ path }) => path),
    ...WELL_KNOWN,
    ...[...CONSOLE_PAGES, ...CONSOLE_FILES].map((path) => path.replace("$", "")),
  ];
  return services.flatMap(({ routes }) =>
    routes.flatMap(({ name, paths, plugins = [] }) => {
      const dead = paths.filter((pattern) => !known.some((path) => patternOf(pattern).test(path)));
      const lost = plugins
        .flatMap((one) => (one.name === "request-transformer" ? one.config.replace.uri : []))
        .filter((path) => !rpcs.includes(path));
      return [...dead, ...lost].map((path) => `${name}: there is nothing at ${path}`);
    }),
  );
}

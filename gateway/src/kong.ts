import type { DescMethod, DescService } from "@bufbuild/protobuf";
import { CORRELATION_HEADER } from "@tercet/service";
import { Document, isMap, isScalar, isSeq, visit, type YAMLMap } from "yaml";
import { type AuthRoute, authRoutes, CONNECT_GET } from "./auth-routes.ts";
import { CONSOLE_FILES, CONSOLE_PAGES } from "./console-paths.ts";
import { isAnonymousWrite, isExposed, isRead, isStream, pathOf } from "./exposure.ts";
import type { KongConfig, KongPlugin, KongService } from "./kong-config.ts";
import {
  consoleUpstream,
  limits,
  MAX_BODY_BYTES,
  TRACES_ENDPOINT,
  timeouts,
  type Upstream,
  upstreams,
} from "./settings.ts";

type HttpRoute = Extract<KongService, { protocol: "http" }>["routes"][number];

const HEADER = ` Generated from the access rules in proto/ by \`pnpm generate\`: do not edit. An installation's
 settings are in gateway/src/settings.ts, the reasons in docs/decisions/0035-generated-gateway.md.
 For Kong 3.8 or later, without a database; Kong's own settings are in kong.env.

 Each service is listed twice, because Kong speaks HTTP/1.1 to every upstream that is not grpc://; at
 two ports, because Kong pools idle connections by address alone. Kong does not retry (retries: 0):
 only the caller knows which calls are safe to repeat.`;

/** The paths that Identity serves besides its methods. */
export const WELL_KNOWN = ["/.well-known/jwks.json", "/.well-known/openid-configuration"];

const CONSOLE = "console";
const ON_ONE_LINE = new Set(["protocols", "methods", "content-type", "extract", "inject"]);

/** The groups of methods, by the suffix of their Kong service's name. */
const kinds = [
  {
    suffix: "",
    about: "Calls.",
    has: (method: DescMethod) => !isStream(method) && !isAnonymousWrite(method),
    settings: { read_timeout: timeouts.answer },
  },
  {
    suffix: "-anonymous",
    about: "Writes that need no token: a lower rate limit.",
    has: (method: DescMethod) => !isStream(method) && isAnonymousWrite(method),
    // A plugin of a service counts all of its routes together, and replaces the global one.
    settings: { read_timeout: timeouts.answer, plugins: [rateLimit(limits.anonymous)] },
  },
  {
    suffix: "-streams",
    about: "Streams: not buffered, and may be silent for a long time.",
    has: isStream,
    settings: { read_timeout: timeouts.silence },
  },
];

/** Returns Kong's configuration for these services. Throws if one of them has no upstream. */
export function kongConfig(services: readonly DescService[]): KongConfig {
  const exposed = services.flatMap((service) => service.methods).filter(isExposed);
  const byUpstream = Map.groupBy(exposed, upstreamOf);
  return {
    _format_version: "3.0",
    services: [
      ...Object.entries(upstreams).flatMap(([name, upstream]) =>
        kinds.flatMap(({ has, ...kind }) => {
          const methods = byUpstream.get(name)?.filter(has) ?? [];
          return methods.length === 0 ? [] : servicesFor({ name, ...upstream }, kind, methods);
        }),
      ),
      consoleService(),
    ],
    plugins: globalPlugins(),
  };
}

export function kongYaml(services: readonly DescService[]): string {
  const document = new Document(kongConfig(services), { aliasDuplicateObjects: false });
  document.commentBefore = HEADER;
  visit(document, {
    Pair: (_key, { key, value }) => {
      if (isScalar(key) && ON_ONE_LINE.has(String(key.value)) && isSeq(value)) value.flow = true;
    },
  });
  const nodes = document.get("services");
  if (isSeq(nodes))
    for (const [index, node] of nodes.items.entries()) if (isMap(node)) comment(node, index > 0);
  return document.toString({ lineWidth: 0, flowCollectionPadding: false });
}

function comment(service: YAMLMap, spaceBefore: boolean): void {
  const name = String(service.get("name"));
  const kind = kinds.findLast(({ suffix }) => name.endsWith(suffix));
  const isGrpc = service.get("protocol") === "grpc";
  const about = name === CONSOLE ? "The console: its pages and files." : kind?.about;
  service.commentBefore = isGrpc
    ? " The same as gRPC, recognized by its content type."
    : ` ${about}`;
  service.spaceBefore = spaceBefore;
}

function upstreamOf({ parent }: DescMethod): string {
  const name = parent.typeName.split(".")[0] ?? "";
  if (!Object.hasOwn(upstreams, name))
    throw new Error(`${parent.typeName}: gateway/src/settings.ts names no upstream for ${name}`);
  return name;
}

function servicesFor(
  upstream: Upstream & { readonly name: string },
  { suffix, settings }: Omit<(typeof kinds)[number], "has">,
  methods: readonly DescMethod[],
): KongService[] {
  const name = `${upstream.name}${suffix}`;
  const { host, port, grpcPort } = upstream;
  const service = {
    retries: 0,
    connect_timeout: timeouts.connect,
    write_timeout: timeouts.write,
    ...settings,
  };
  const grpcRoute = {
    name: `${name}-grpc`,
    protocols: ["grpc", "grpcs"] as ["grpc", "grpcs"],
    headers: { "content-type": GRPC_TYPES },
    paths: methods.map(pathOf).map(exactly),
    strip_path: false as const,
  };
  return [
    { name, protocol: "http", host, port, ...service, routes: httpRoutes(name, methods) },
    {
      name: `${name}-grpc`,
      protocol: "grpc",
      host,
      port: grpcPort,
      ...service,
      routes: [grpcRoute],
    },
  ];
}

/** Files alone: what they may load and call is in the headers that the console's server sends. */
const consoleService = (): KongService => ({
  name: CONSOLE,
  protocol: "http",
  ...consoleUpstream,
  retries: 0,
  connect_timeout: timeouts.connect,
  write_timeout: timeouts.write,
  read_timeout: timeouts.file,
  routes: [
    httpRoute("console-pages", ["GET"], CONSOLE_PAGES),
    httpRoute("console-files", ["GET"], CONSOLE_FILES),
  ],
});

const GRPC_TYPES = ["application/grpc", "application/grpc+proto", "application/grpc+json"];

function httpRoutes(service: string, methods: readonly DescMethod[]): HttpRoute[] {
  const reads = methods.filter(isRead).map(pathOf);
  const writes = methods.filter((method) => !isRead(method)).map(pathOf);
  const rpcs = methods.some(isStream)
    ? [{ ...httpRoute(service, ["POST"], methods.map(pathOf)), response_buffering: false }]
    : [
        httpRoute(`${service}-reads`, ["GET", "POST"], reads),
        httpRoute(`${service}-writes`, ["POST"], writes),
      ];
  const auth = authRoutes.filter(({ rpc }) => methods.includes(rpc)).map(authRoute);
  const keys = service === "identity" ? [httpRoute("well-known", ["GET"], WELL_KNOWN)] : [];
  return [...rpcs, ...auth, ...keys].filter(({ paths }) => paths.length > 0);
}

/**
 * A browser asks by OPTIONS before it calls. The service replies, by its CORS_ORIGINS.
 */
const httpRoute = (
  name: string,
  methods: readonly ("GET" | "POST")[],
  paths: readonly string[],
): HttpRoute => ({
  name,
  protocols: ["http", "https"],
  methods: [...methods, "OPTIONS"],
  paths: paths.map(exactly),
  strip_path: false,
});

function authRoute({ method, path, rpc }: AuthRoute): HttpRoute {
  const querystring = Object.entries(CONNECT_GET).map(([name, value]) => `${name}:${value}`);
  const config = {
    replace: { uri: pathOf(rpc) },
    ...(method === "GET" && { add: { querystring } }),
  };
  return {
    ...httpRoute(path.slice(1).replace("/", "-"), [method], [path]),
    plugins: [{ name: "request-transformer", config }],
  };
}

/** A regular expression for this path and no longer one; `$` begins a parameter. */
const exactly = (path: string): string =>
  `~${path
    .replaceAll(".", "\\.")
    .replace(/\$file$/, "[\\w.-]+")
    .replace(/\$\w+$/, "[\\w-]+")}$`;

function rateLimit(limit: Partial<Record<"second" | "minute" | "hour", number>>): KongPlugin {
  return { name: "rate-limiting", config: { ...limit, limit_by: "ip", policy: "local" } };
}

const globalPlugins = (): KongPlugin[] => [
  {
    name: "correlation-id",
    config: { header_name: CORRELATION_HEADER, generator: "uuid", echo_downstream: true },
  },
  {
    name: "request-size-limiting",
    config: {
      allowed_payload_size: MAX_BODY_BYTES,
      size_unit: "bytes",
      require_content_length: false,
    },
  },
  rateLimit(limits.general),
  {
    name: "response-transformer",
    config: {
      remove: { headers: ["server", "x-powered-by"] },
      add: {
        headers: [
          "strict-transport-security:max-age=31536000; includeSubDomains",
          "x-content-type-options:nosniff",
        ],
      },
    },
  },
  {
    name: "opentelemetry",
    config: {
      traces_endpoint: TRACES_ENDPOINT,
      resource_attributes: { "service.name": "kong" },
      propagation: { extract: ["w3c"], inject: ["w3c"], default_format: "w3c" },
    },
  },
  {
    name: "prometheus",
    config: { status_code_metrics: true, latency_metrics: true, bandwidth_metrics: false },
  },
];

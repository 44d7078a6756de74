import { parse } from "yaml";
import { z } from "zod";

/**
 * The part of Kong 3.x's declarative configuration that we use, after its own schemas
 * (`kong/db/schema/entities`, `kong/plugins/<name>/schema.lua`). Everything else is refused, so
 * that the code that interprets a configuration knows all of it.
 */
const milliseconds = z.int().min(1).max(2_147_483_646);
const header = z.string().regex(/^[a-z0-9-]+$/);
/** `name:value`. */
const pair = z.string().regex(/^[^:]+:.+$/);
const plugin = <N extends string, C extends z.ZodRawShape>(name: N, config: C) =>
  z.strictObject({ name: z.literal(name), config: z.strictObject(config) });

const rateLimiting = plugin("rate-limiting", {
  second: z.int().positive().optional(),
  minute: z.int().positive().optional(),
  hour: z.int().positive().optional(),
  limit_by: z.literal("ip"),
  policy: z.literal("local"),
});

const requestTransformer = plugin("request-transformer", {
  // Without `$(...)`, which Kong would render.
  replace: z.strictObject({ uri: z.string().regex(/^\/[^$?]*$/) }),
  add: z.strictObject({ querystring: z.array(pair.regex(/^[^$]*$/)) }).optional(),
});

const plugins = z.discriminatedUnion("name", [
  rateLimiting,
  requestTransformer,
  plugin("correlation-id", {
    header_name: header,
    generator: z.literal("uuid"),
    echo_downstream: z.boolean(),
  }),
  plugin("request-size-limiting", {
    allowed_payload_size: z.int().positive(),
    size_unit: z.literal("bytes"),
    require_content_length: z.literal(false),
  }),
  plugin("response-transformer", {
    add: z.strictObject({ headers: z.array(pair) }),
    remove: z.strictObject({ headers: z.array(header) }),
  }),
  plugin("opentelemetry", {
    traces_endpoint: z.url(),
    resource_attributes: z.record(z.string(), z.string().min(1)),
    propagation: z.strictObject({
      extract: z.array(z.literal("w3c")),
      inject: z.array(z.literal("w3c")),
      default_format: z.literal("w3c"),
    }),
  }),
  plugin("prometheus", {
    status_code_metrics: z.boolean(),
    latency_metrics: z.boolean(),
    bandwidth_metrics: z.boolean(),
  }),
]);

const common = {
  name: z.string().regex(/^[a-z0-9-]+$/),
  // Without `~` a path is a prefix, and also matches longer paths.
  paths: z
    .array(
      z
        .string()
        .regex(
          /^~\/([\w./\\-]|\[\\w-\]\+|\[\\w\.-\]\+)*\$$/,
          "is not the whole of a path, as a regular expression",
        ),
    )
    .min(1),
  strip_path: z.literal(false),
  plugins: z.array(plugins).optional(),
};

const httpRoute = z.strictObject({
  ...common,
  protocols: z.tuple([z.literal("http"), z.literal("https")]),
  methods: z.array(z.enum(["GET", "POST", "OPTIONS"])).min(1),
  response_buffering: z.boolean().optional(),
});

/**
 * Kong refuses `methods` here. Its router ignores protocols: only the header separates gRPC from
 * other requests to the same path.
 */
const grpcRoute = z.strictObject({
  ...common,
  protocols: z.tuple([z.literal("grpc"), z.literal("grpcs")]),
  headers: z.strictObject({
    "content-type": z.array(z.string().regex(/^application\/grpc(\+\w+)?$/)).min(1),
  }),
});

const serviceOf = <P extends string, R extends z.ZodType>(protocol: P, route: R) =>
  z.strictObject({
    name: z.string().regex(/^[a-z0-9-]+$/),
    protocol: z.literal(protocol),
    host: z.string().regex(/^[a-z0-9.-]+$/),
    port: z.int().min(1).max(65_535),
    retries: z.int().min(0).max(32_767),
    connect_timeout: milliseconds,
    write_timeout: milliseconds,
    read_timeout: milliseconds,
    plugins: z.array(plugins).optional(),
    routes: z.array(route).min(1),
  });

const kongConfig = z.strictObject({
  _format_version: z.literal("3.0"),
  services: z
    .array(
      z.discriminatedUnion("protocol", [
        serviceOf("http", httpRoute),
        serviceOf("grpc", grpcRoute),
      ]),
    )
    .min(1),
  plugins: z.array(plugins),
});

export type KongConfig = z.output<typeof kongConfig>;
export type KongService = KongConfig["services"][number];
export type KongRoute = KongService["routes"][number];
export type KongPlugin = z.output<typeof plugins>;

/** Parses a configuration. Throws an Error that names every problem. */
export function parseKongConfig(text: string): KongConfig {
  const parsed = kongConfig.safeParse(parse(text));
  const problems = parsed.success
    ? repetitions(parsed.data)
    : parsed.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`);
  if (parsed.success && problems.length === 0) return parsed.data;
  throw new Error(problems.join("\n"));
}

/** Returns the plugins of the configuration, of each service and of each route. */
export function pluginsOf({ services, plugins }: KongConfig): (readonly KongPlugin[])[] {
  const owners = services.flatMap((service) => [service, ...service.routes]);
  return [plugins, ...owners.map((owner) => owner.plugins ?? [])];
}

function repetitions(config: KongConfig): string[] {
  const routes = config.services.flatMap((service): readonly KongRoute[] => service.routes);
  return [config.services, routes, ...pluginsOf(config)].flatMap((all) => {
    const names = all.map(({ name }) => name);
    const twice = names.filter((name, index) => names.indexOf(name) !== index);
    return twice.map((name) => `two are called ${name}`);
  });
}

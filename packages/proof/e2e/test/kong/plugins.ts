import type { KongConfig, KongPlugin, Routed } from "@tercet/gateway";

/** A call in transit, which plugins change. Names of headers are in lower case. */
export interface Call {
  method: string;
  path: string;
  readonly query: URLSearchParams;
  readonly headers: Record<string, string>;
  readonly body: Buffer;
  readonly clientIp: string;
}

export interface Refusal {
  readonly status: number;
  readonly message?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A plugin, in two of Kong's phases. */
interface Behaviour {
  /** Before the service is called. A response ends the call here. */
  access?(call: Call): Refusal | undefined;
  /** Before headers go to the caller, from the service or from Kong. */
  headerFilter?(headers: Record<string, string>, call: Call): void;
}

type ConfigOf<N extends KongPlugin["name"]> = Extract<KongPlugin, { name: N }>["config"];
type Interpretations = {
  readonly [N in KongPlugin["name"]]: (config: ConfigOf<N>, scope: string) => Behaviour;
};

/** In Kong's order, by PRIORITY. A parsed configuration contains no other plugin. */
const interpretations = (counters: Map<string, number>): Interpretations => ({
  "correlation-id": correlationId,
  "request-size-limiting": ({ allowed_payload_size }) => ({
    access: ({ body }) =>
      body.length > allowed_payload_size
        ? { status: 413, message: "Request size limit exceeded" }
        : undefined,
  }),
  "rate-limiting": (config, scope) => rateLimiting(config, scope, counters),
  "request-transformer": requestTransformer,
  "response-transformer": responseTransformer,
  // These two observe, and change nothing that a test without their backends could see.
  opentelemetry: () => ({}),
  prometheus: () => ({}),
});

/**
 * The plugins for one call: of those of its route, its service and the whole configuration, the
 * nearest of each name.
 */
export function behavioursFor(
  { plugins }: KongConfig,
  { service, route }: Routed,
  counters: Map<string, number>,
): Behaviour[] {
  const nearest = new Map<string, { plugin: KongPlugin; scope: string }>();
  for (const { name, own = [] } of [
    { name: "", own: plugins },
    { ...service, own: service.plugins },
    { ...route, own: route.plugins },
  ])
    for (const plugin of own) nearest.set(plugin.name, { plugin, scope: name });
  return Object.entries(interpretations(counters)).flatMap(([name, interpret]) => {
    const found = nearest.get(name);
    return found === undefined ? [] : [interpret(found.plugin.config as never, found.scope)];
  });
}

function correlationId({
  header_name: name,
  echo_downstream: echo,
}: ConfigOf<"correlation-id">): Behaviour {
  return {
    access: ({ headers }) => {
      headers[name] ||= crypto.randomUUID();
      return undefined;
    },
    headerFilter: (headers, call) => {
      if (echo) headers[name] = call.headers[name] ?? "";
    },
  };
}

const PERIODS = { second: 1_000, minute: 60_000, hour: 3_600_000 } as const;

/** Fixed windows of the clock. Everything to which the plugin applies shares its counters. */
function rateLimiting(
  config: ConfigOf<"rate-limiting">,
  scope: string,
  counters: Map<string, number>,
): Behaviour {
  return {
    access: ({ clientIp }) => {
      const now = Date.now();
      const windows = Object.entries(PERIODS).flatMap(([period, ms]) => {
        const limit = config[period as keyof typeof PERIODS];
        const begin = now - (now % ms);
        return limit === undefined
          ? []
          : [{ key: `${scope} ${clientIp} ${period} ${begin}`, limit, leftMs: begin + ms - now }];
      });
      const full = windows.filter(({ key, limit }) => (counters.get(key) ?? 0) >= limit);
      if (full.length > 0) {
        const seconds = Math.ceil(Math.max(...full.map(({ leftMs }) => leftMs)) / 1_000);
        return {
          status: 429,
          message: "API rate limit exceeded",
          headers: { "retry-after": String(seconds) },
        };
      }
      for (const { key } of windows) counters.set(key, (counters.get(key) ?? 0) + 1);
      return undefined;
    },
  };
}

function requestTransformer({ replace, add }: ConfigOf<"request-transformer">): Behaviour {
  return {
    access: (call) => {
      call.path = replace.uri;
      for (const [name, value] of (add?.querystring ?? []).map(split))
        if (!call.query.has(name)) call.query.set(name, value);
      return undefined;
    },
  };
}

function responseTransformer({ add, remove }: ConfigOf<"response-transformer">): Behaviour {
  return {
    headerFilter: (headers) => {
      for (const name of remove.headers) delete headers[name];
      for (const [name, value] of add.headers.map(split)) headers[name] ??= value;
    },
  };
}

function split(pair: string): [name: string, value: string] {
  const colon = pair.indexOf(":");
  return [pair.slice(0, colon), pair.slice(colon + 1)];
}

import { parse } from "yaml";
import type { KongConfig, KongService } from "./kong-config.ts";

/** Names of one host, each with the name that it is an alias of. */
export type Aliases = ReadonlyMap<string, string>;

/**
 * Returns the addresses to which Kong speaks both HTTP/1.1 and gRPC. Kong pools idle connections by
 * address and port alone, so that a call there gets a connection that speaks the other protocol: a
 * gRPC call fails with 502, and a JSON call returns raw HTTP/2 frames (seen with Kong 3.9.1). Two
 * names of one host are one address. Without the pool (KONG_UPSTREAM_KEEPALIVE_POOL_SIZE=0) nothing
 * is shared, for a connection per call.
 */
export function addressProblems(
  { services }: KongConfig,
  kongEnv: ReadonlyMap<string, string>,
  aliases: Aliases = new Map(),
): string[] {
  if (kongEnv.get(POOL_SIZE) === "0") return [];
  const byAddress = Map.groupBy(services, ({ host, port }) => `${hostOf(host, aliases)}:${port}`);
  return [...byAddress].flatMap(([address, all]) => {
    const named = (wanted: KongService["protocol"]) =>
      all.find(({ protocol }) => protocol === wanted)?.name;
    const [http, grpc] = [named("http"), named("grpc")];
    return http === undefined || grpc === undefined
      ? []
      : [
          `${http} (http) and ${grpc} (grpc) are both at ${address}, and would share idle connections: give gRPC a port of its own (grpcPort in gateway/src/settings.ts), or set ${POOL_SIZE}=0`,
        ];
  });
}

const POOL_SIZE = "KONG_UPSTREAM_KEEPALIVE_POOL_SIZE";

/** `order`, `order.` and `order.tercet.svc.cluster.local` are one Service of Kubernetes. */
const IN_CLUSTER = /^([a-z0-9-]+)\.[a-z0-9-]+\.svc(\.[a-z0-9.-]+)?$/;

function hostOf(host: string, aliases: Aliases): string {
  const name = host.replace(/\.$/, "");
  const short = IN_CLUSTER.exec(name)?.[1] ?? (name === "localhost" ? "127.0.0.1" : name);
  return aliases.get(short) ?? short;
}

interface ComposeService {
  readonly container_name?: string;
  readonly hostname?: string;
  readonly networks?: readonly string[] | Readonly<Record<string, Network | null>>;
}

interface Network {
  readonly aliases?: readonly string[];
}

/** Returns the further names that a Compose file gives its containers, each with the first one. */
export function composeAliases(text: string): Aliases {
  const { services } = parse(text, { merge: true }) as {
    services: Readonly<Record<string, ComposeService>>;
  };
  return new Map(
    Object.entries(services).flatMap(([name, service]) =>
      furtherNames(service).map((alias) => [alias, name] as const),
    ),
  );
}

function furtherNames({ container_name, hostname, networks = [] }: ComposeService): string[] {
  const inNetworks = Array.isArray(networks)
    ? []
    : Object.values(networks as Readonly<Record<string, Network | null>>).flatMap(
        (network) => network?.aliases ?? [],
      );
  return [container_name, hostname, ...inNetworks].filter((name) => name !== undefined);
}

import { type KongConfig, pluginsOf } from "./kong-config.ts";

/** Parses Kong's own settings, in the format of `docker --env-file`. */
export function parseEnvFile(text: string): Map<string, string> {
  const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(
    lines.map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]),
  );
}

/** Returns where Kong's own settings contradict its configuration or open a closed port. */
export function kongEnvProblems(env: ReadonlyMap<string, string>, config: KongConfig): string[] {
  const plugins = pluginsOf(config).flatMap((all) => all.map(({ name }) => name));
  const needed: Record<string, string> = {
    KONG_DATABASE: "off",
    KONG_PLUGINS: [...new Set(plugins)].sort().join(","),
    KONG_ROUTER_FLAVOR: "traditional_compatible",
    KONG_ADMIN_LISTEN: "127.0.0.1:8001",
    KONG_ADMIN_GUI_LISTEN: "off",
    KONG_HEADERS: "off",
    KONG_DNS_VALID_TTL: "10",
    KONG_UNTRUSTED_LUA: "off",
  };
  return Object.entries(needed)
    .filter(([name, value]) => env.get(name) !== value)
    .map(([name, value]) => `${name} must be ${value}`);
}

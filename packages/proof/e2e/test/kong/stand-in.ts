/**
 * In place of Kong in a container where its image cannot be pulled: the same ports, and the
 * configuration that is mounted.
 */
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { parseKongConfig } from "@tercet/gateway";
import { startKong } from "./kong.ts";

const config = parseKongConfig(
  readFileSync(process.env["KONG_DECLARATIVE_CONFIG"] ?? "/kong/kong.yml", "utf8"),
);
// The first service of a host is the one for calls; gRPC has another port of the same pods.
const upstreams = Object.fromEntries(
  config.services.map(({ host, port }) => [host, `http://${host}:${port}`] as const).reverse(),
);
const ports = { host: "0.0.0.0", port: 8000, grpcPort: 9080 };
const kong = await startKong(config, upstreams, undefined, ports);
const status = createServer((_request, response) => response.end("{}\n")).listen(8100, "0.0.0.0");
process.once("SIGTERM", () => {
  status.close();
  void kong[Symbol.asyncDispose]().then(() => process.exit());
});

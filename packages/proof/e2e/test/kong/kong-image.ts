import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { freePort, ROOT, temporaryFolder } from "@tercet/cli";
import type { Engine } from "@tercet/cluster";
import type { KongConfig } from "@tercet/gateway";
import { vi } from "vitest";
import { parseEnvFile } from "../docker/compose.ts";
import { startContainer } from "../docker/container.ts";
import { patient } from "../patience.ts";
import type { Kong } from "./kong.ts";

const CONFIG_FILE = "/kong/kong.yml";
const START_LIMIT_MS = 60_000;

/**
 * Starts Kong itself, from its image, with this configuration and gateway/kong.env. As the
 * interpreter does, it maps the hosts of the configuration to `upstreams`.
 */
export async function startKongImage(
  engine: Engine,
  image: string,
  config: KongConfig,
  upstreams: Readonly<Record<string, string>>,
  poolSize?: number,
): Promise<Kong> {
  await using started = new AsyncDisposableStack();
  const addresses = new Map<string, number>();
  for (const { host, port } of config.services)
    if (!addresses.has(`${host}:${port}`)) {
      const forward = await forwardTo(new URL(upstreams[host] ?? ""));
      started.defer(() => forward.close());
      addresses.set(`${host}:${port}`, forward.port);
    }
  const services = config.services.map((service) => ({
    ...service,
    host: "127.0.0.1",
    port: addresses.get(`${service.host}:${service.port}`),
  }));
  const folder = started.use(await temporaryFolder("kong"));
  const file = join(folder.path, "kong.yml");
  // JSON is YAML.
  await writeFile(file, JSON.stringify({ ...config, services }), { mode: 0o644 });

  const [port, grpcPort, statusPort] = [await freePort(), await freePort(), await freePort()];
  const container = await startContainer(engine, {
    image,
    env: {
      ...parseEnvFile(await readFile(join(ROOT, "gateway/kong.env"), "utf8")),
      KONG_DECLARATIVE_CONFIG: CONFIG_FILE,
      KONG_PREFIX: "/tmp/kong",
      KONG_PROXY_LISTEN: `127.0.0.1:${port}, 127.0.0.1:${grpcPort} http2`,
      KONG_STATUS_LISTEN: `127.0.0.1:${statusPort}`,
      KONG_ADMIN_LISTEN: "off",
      KONG_TRACING_SAMPLING_RATE: "0",
      // Each has its own idle connections.
      KONG_NGINX_WORKER_PROCESSES: "1",
      ...(poolSize !== undefined && { KONG_UPSTREAM_KEEPALIVE_POOL_SIZE: `${poolSize}` }),
    },
    volumes: [`${file}:${CONFIG_FILE}:ro`],
  });
  started.defer(() => container.remove());
  const ready = async () =>
    (await fetch(`http://127.0.0.1:${statusPort}/status/ready`).catch(() => undefined))?.ok ===
    true;
  await vi.waitUntil(ready, { timeout: patient(START_LIMIT_MS), interval: 100 }).catch(async () => {
    throw new Error(`Kong did not start:\n${await container.logs()}`);
  });
  const running = started.move();
  return {
    url: `http://127.0.0.1:${port}`,
    grpcUrl: `http://127.0.0.1:${grpcPort}`,
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

interface Forward {
  readonly port: number;
  close(): Promise<void>;
}

/**
 * Listens at a port of its own, and connects each caller with `upstream`: Kong keeps idle
 * connections by address, and here a service has one for what are two in the configuration.
 */
async function forwardTo(upstream: URL): Promise<Forward> {
  const open = new Set<Socket>();
  const keep = (socket: Socket) => {
    open.add(socket);
    socket.once("close", () => open.delete(socket));
  };
  const server: Server = createServer((caller) => {
    const service = connect(Number(upstream.port), upstream.hostname);
    keep(caller);
    keep(service);
    caller.on("error", () => service.destroy()).on("close", () => service.destroy());
    service.on("error", () => caller.resetAndDestroy()).on("close", () => caller.destroySoon());
    caller.pipe(service).pipe(caller);
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      for (const socket of open) socket.destroy();
      await new Promise((closed) => server.close(closed));
    },
  };
}

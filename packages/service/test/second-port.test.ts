import { once } from "node:events";
import http from "node:http";
import http2 from "node:http2";
import { createServer } from "node:net";
import { expect, inject, test } from "vitest";
import { z } from "zod";
import { parseEnv, serviceConfig, serviceEnv } from "../src/config.ts";
import { catalogAt, gate, host, transports, until } from "./harness.ts";

const LIST = "/order.v1.CatalogService/ListProducts";

/** Resolves to a port that no process listens on. */
async function freePort(): Promise<number> {
  const server = createServer();
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = server.address() as { port: number };
  await new Promise((closed) => server.close(closed));
  return port;
}

test("every protocol is served at GRPC_PORT as at PORT", async () => {
  const grpcPort = await freePort();
  await using shop = await host({ config: { grpcPort } });
  for (const port of [shop.port, grpcPort])
    for (const transport of Object.values(transports)) {
      const catalog = catalogAt(transport(`http://127.0.0.1:${port}`));
      expect((await catalog.listProducts({})).products[0]?.sku).toBe("TEA");
    }
  expect(shop.log).toContainEqual(
    expect.objectContaining({ msg: "listening", grpc_port: grpcPort }),
  );
});

test("a drain refuses new connections at GRPC_PORT, and finishes the calls there", async () => {
  const grpcPort = await freePort();
  const release = gate();
  let entered = 0;
  const shop = await host({
    config: { grpcPort, drainTimeoutMs: 30_000 },
    catalog: {
      listProducts: async () => {
        entered += 1;
        await release.opened;
        return { products: [{ sku: "TEA" }] };
      },
    },
  });
  const url = `http://127.0.0.1:${grpcPort}`;
  const calls = Object.values(transports).map((to) => catalogAt(to(url)).listProducts({}));
  await until(() => entered === calls.length);
  const drained = shop[Symbol.asyncDispose]();
  await until(() => refused(grpcPort));
  release.open();
  for (const { products } of await Promise.all(calls)) expect(products[0]?.sku).toBe("TEA");
  await drained;
});

test("idle connections at GRPC_PORT do not delay the close", async () => {
  const grpcPort = await freePort();
  const shop = await host({ config: { grpcPort, drainTimeoutMs: 30_000 } });
  const url = `http://127.0.0.1:${grpcPort}`;
  const agent = new http.Agent({ keepAlive: true });
  const [answer] = (await once(http.get(`${url}/health/live`, { agent }), "response")) as [
    http.IncomingMessage,
  ];
  await once(answer.resume(), "end");
  const session = http2.connect(url);
  await once(session, "remoteSettings");
  const started = performance.now();
  await shop[Symbol.asyncDispose]();
  expect(performance.now() - started).toBeLessThan(1_000 * inject("timeFactor"));
  agent.destroy();
});

test("a service does not start while another process listens at its GRPC_PORT", async () => {
  const other = createServer();
  await once(other.listen(0, "127.0.0.1"), "listening");
  const { port: grpcPort } = other.address() as { port: number };
  await expect(host({ config: { grpcPort } })).rejects.toMatchObject({
    code: "EADDRINUSE",
    port: grpcPort,
  });
  await new Promise((closed) => other.close(closed));
});

test("a connection at GRPC_PORT is limited as one at PORT is", async () => {
  const grpcPort = await freePort();
  await using _shop = await host({
    config: { grpcPort },
    limits: { maxConnections: 1, healthConnections: 0 },
  });
  const session = http2.connect(`http://127.0.0.1:${grpcPort}`);
  await once(session, "remoteSettings");
  expect(await refused(grpcPort)).toBe(true);
  session.destroy();
});

test("GRPC_PORT is another port than PORT, or none", () => {
  const configOf = (env: Record<string, string>) =>
    serviceConfig(
      parseEnv("shop", z.object(serviceEnv(5011)), { TOKEN_ISSUER: "http://issuer.test", ...env }),
    );
  expect(configOf({}).grpcPort).toBeUndefined();
  expect(configOf({ GRPC_PORT: "50050" }).grpcPort).toBe(50_050);
  expect(() => configOf({ GRPC_PORT: "5011" })).toThrow("GRPC_PORT: 5011 is PORT's already");
  expect(() => configOf({ GRPC_PORT: "0" })).toThrow("GRPC_PORT: must be from 1 to 65535");
});

/** Resolves to whether a request on a new connection gets no response. */
const refused = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    http
      .get({ host: "127.0.0.1", port, path: LIST, agent: false }, (response) => {
        response.resume();
        resolve(false);
      })
      .on("error", () => resolve(true));
  });

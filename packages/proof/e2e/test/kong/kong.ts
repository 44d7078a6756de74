import { once } from "node:events";
import http from "node:http";
import http2 from "node:http2";
import type { AddressInfo, Server } from "node:net";
import type { KongConfig } from "@tercet/gateway";
import { overHttp1, overHttp2 } from "./exchange.ts";
import { KongProxy } from "./proxy.ts";

/**
 * Handles requests as Kong would with this configuration, for machines on which Kong cannot run.
 */
export interface Kong extends AsyncDisposable {
  /** HTTP/1.1, as Kong's 8000. */
  readonly url: string;
  /** HTTP/2 without TLS, as Kong's 9080. */
  readonly grpcUrl: string;
}

/** Where it listens; port 0 is any free port. */
interface Listening {
  readonly host: string;
  readonly port: number;
  readonly grpcPort: number;
}

const ANYWHERE: Listening = { host: "127.0.0.1", port: 0, grpcPort: 0 };

/**
 * Starts it. `upstreams` maps the hosts of the configuration to URLs, `poolSize` is
 * KONG_UPSTREAM_KEEPALIVE_POOL_SIZE. Throws if an upstream is missing, or if the configuration uses
 * what is not interpreted here.
 */
export async function startKong(
  config: KongConfig,
  upstreams: Readonly<Record<string, string>>,
  poolSize?: number,
  { host, port, grpcPort }: Listening = ANYWHERE,
): Promise<Kong> {
  const proxy = new KongProxy(config, upstreams, poolSize);
  const http1 = http.createServer(
    (request, response) => void proxy.handle(overHttp1(request, response)),
  );
  const h2 = http2
    .createServer()
    .on("stream", (stream, headers) => void proxy.handle(overHttp2(stream, headers)));
  const sessions = new Set<http2.ServerHttp2Session>();
  h2.on(
    "session",
    (session) => void sessions.add(session.once("close", () => sessions.delete(session))),
  );
  const [url, grpcUrl] = await Promise.all([listen(http1, host, port), listen(h2, host, grpcPort)]);
  return {
    url,
    grpcUrl,
    [Symbol.asyncDispose]: async () => {
      http1.closeAllConnections();
      for (const session of sessions) session.destroy();
      proxy.close();
      await Promise.all([http1, h2].map((server) => new Promise((closed) => server.close(closed))));
    },
  };
}

async function listen(server: Server, host: string, port: number): Promise<string> {
  await once(server.listen(port, host), "listening");
  return `http://${host}:${(server.address() as AddressInfo).port}`;
}

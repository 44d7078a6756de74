import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { createHttpHost, hardenedLimits } from "@tercet/service";
import { recordOf, type ServiceName, serviceNames } from "./config.ts";
import { type Edge, type EdgeOptions, startEdge } from "./edge.ts";

export type Listener = (request: IncomingMessage, response: ServerResponse) => void;

/** A server like a service, for HTTP/1.1 and HTTP/2 on one port. */
export interface TestUpstream extends AsyncDisposable {
  readonly url: string;
}

/** An edge in front of three services that all have the same listener. */
export interface TestEdge extends Edge {
  readonly upstreams: Readonly<Record<ServiceName, string>>;
}

export async function edgeBefore(
  listener: Listener,
  options: Pick<EdgeOptions, "corsOrigins" | "console"> = {},
): Promise<TestEdge> {
  await using starting = new AsyncDisposableStack();
  const servers = await Promise.all(
    serviceNames.map(async (name) => [name, starting.use(await serve(name, listener))] as const),
  );
  const urls = new Map(servers.map(([name, { url }]) => [name, url]));
  const upstreams = recordOf(serviceNames, (name) => urls.get(name) ?? "");
  const edge = starting.use(await startEdge({ port: 0, upstreams, ...options }));
  const running = starting.move();
  return {
    url: edge.url,
    upstreams,
    drain: edge.drain,
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

/** `name` is in its responses, as `x-upstream`. */
export async function serve(name: string, listener: Listener, number = 0): Promise<TestUpstream> {
  const { app, port } = await createHttpHost({
    limits: hardenedLimits,
    corsOrigins: [],
    services: [],
  });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", (_request, _body, done) => done(null));
  app.all("*", (request, reply) => {
    reply.hijack();
    // Over HTTP/2, setHeader returns nothing.
    reply.raw.setHeader("x-upstream", name);
    listener(request.raw, reply.raw);
  });
  await app.listen({ host: "127.0.0.1", port: number });
  return {
    url: `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`,
    [Symbol.asyncDispose]: async () => {
      port.destroy();
      await app.close();
    },
  };
}

import type { AddressInfo } from "node:net";
import fastify, { type FastifyInstance } from "fastify";
import type { ConsoleConfig } from "./config.ts";
import { consoleFolder, SITE_HEADERS, serveConsole } from "./console-site.ts";

export interface ConsoleServer extends AsyncDisposable {
  readonly url: string;
}

/** Files are small, and only a gateway asks for them. */
const MAX_CONNECTIONS = 1_000;
const MAX_HEADER_BYTES = 16_384;
const REQUEST_TIMEOUT_MS = 10_000;
/** Longer than a gateway keeps an idle connection: Kong's 60 s. */
const KEEP_ALIVE_MS = 75_000;

/**
 * Starts the server of the console's image. `folder` is that of the built console, by default of
 * the installed one. It has no state, no secrets, and calls no one.
 */
export async function startConsoleServer(
  { host, port, settings }: ConsoleConfig,
  folder: string | undefined = consoleFolder(),
): Promise<ConsoleServer> {
  const app = fastify({
    bodyLimit: 1,
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    http: { maxHeaderSize: MAX_HEADER_BYTES, headersTimeout: REQUEST_TIMEOUT_MS },
    forceCloseConnections: "idle",
  });
  app.server.maxConnections = MAX_CONNECTIONS;
  app.addHook("onRequest", async (_request, reply) => void reply.headers(SITE_HEADERS));
  const respondWithPage = await serveConsole(app, { folder, settings });
  for (const path of ["/health/live", "/health/ready"])
    app.get(path, (_request, reply) =>
      reply.code(folder === undefined ? 503 : 200).send({ ready: folder !== undefined }),
    );
  app.setNotFoundHandler((request, reply) => {
    if (respondWithPage(request, reply)) return;
    void reply.code(404).type("text/plain; charset=utf-8").send("there is no such file\n");
  });
  await app.listen({ host, port });
  return { url: urlOf(app), [Symbol.asyncDispose]: () => app.close() };
}

function urlOf({ server }: FastifyInstance): string {
  const { address, port, family } = server.address() as AddressInfo;
  return `http://${family === "IPv6" ? `[${address}]` : address}:${port}`;
}

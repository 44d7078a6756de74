import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import fastifyStatic from "@fastify/static";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";

/** What the console learns of the place that serves it, as `/console.json`. */
export interface ConsoleSettings {
  /** Addresses of other tools for one order, with `{orderId}` in them. */
  readonly traceUrl?: string | undefined;
  readonly logsUrl?: string | undefined;
  /** Whether operators' methods can be called here. By default they can. */
  readonly operators?: boolean;
  /** Whether the crash lab is there. */
  readonly lab?: boolean;
  /** The seeded users, who sign in with one click. */
  readonly users?: readonly { readonly name: string; readonly roles: readonly string[] }[];
}

export interface ConsoleSite {
  /** The folder of the built console; undefined if it is not built. */
  readonly folder: string | undefined;
  readonly settings: ConsoleSettings;
}

/**
 * Only files of this origin: no inline script or style, no other host, no frame. Scripts cannot
 * turn text into markup.
 */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "font-src 'self'",
  "connect-src 'self'",
  "manifest-src 'self'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
].join("; ");

/** Of every response with something of the console, wherever it is served. */
export const SITE_HEADERS: Readonly<Record<string, string>> = {
  "content-security-policy": POLICY,
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "permissions-policy": "camera=(), geolocation=(), microphone=()",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
};

/** Names of files that change with their content. */
const HASHED = /\/assets\/[^/]+$/;
const NOT_BUILT = "the console is not built: run pnpm build\n";

/** The folder of the built console; undefined if it is not built. */
export function consoleFolder(): string | undefined {
  const manifest = createRequire(import.meta.url).resolve("@tercet/console/package.json");
  const folder = join(dirname(manifest), "dist");
  return existsSync(join(folder, "index.html")) ? folder : undefined;
}

/**
 * Serves the console's files. Returns a function that responds with the console's page to a request
 * of a browser for one, whatever its path: the page itself knows its paths. It returns whether it
 * responded.
 */
export async function serveConsole(
  app: FastifyInstance,
  { folder, settings }: ConsoleSite,
): Promise<(request: FastifyRequest, reply: FastifyReply) => boolean> {
  app.get("/console.json", (_request, reply) =>
    reply.headers(SITE_HEADERS).header("cache-control", "no-store").send(settings),
  );
  if (folder === undefined) {
    app.get("/", (_request, reply) =>
      reply.code(503).type("text/plain; charset=utf-8").send(NOT_BUILT),
    );
    return () => false;
  }
  await app.register(fastifyStatic, {
    root: folder,
    preCompressed: true,
    cacheControl: false,
    setHeaders: (reply, path) => {
      const lasting = HASHED.test(path.replace(/\.(br|gz)$/, ""));
      void reply
        .headers(SITE_HEADERS)
        .header("cache-control", lasting ? "public, max-age=31536000, immutable" : "no-cache");
    },
  });
  return (request, reply) => {
    const wantsPage = request.headers.accept?.includes("text/html") === true;
    if (!["GET", "HEAD"].includes(request.method) || !wantsPage) return false;
    void reply.sendFile("index.html");
    return true;
  };
}

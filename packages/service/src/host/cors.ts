import { cors as connectCors } from "@connectrpc/connect";
import fastifyCors from "@fastify/cors";
import type { FastifyInstance } from "fastify";
import { CORRELATION_HEADER } from "./call.ts";

const ANY_PORT = ":*";
const ORIGIN = /^[a-z][a-z0-9+.-]*:\/\/([a-z0-9._-]+|\[[0-9a-f:.]+\])(:\d{1,5})?$/;

/**
 * Lets pages of these origins call from a browser. `*` as the port is any port:
 * "http://localhost:*". Without origins, responses have no CORS headers and a preflight fails.
 */
export async function allowOrigins(
  app: FastifyInstance,
  origins: readonly string[],
): Promise<void> {
  if (origins.length === 0) return;
  await app.register(fastifyCors, {
    origin: origins.map(pattern),
    methods: [...connectCors.allowedMethods],
    allowedHeaders: [
      ...connectCors.allowedHeaders,
      "authorization",
      CORRELATION_HEADER,
      "traceparent",
      "tracestate",
    ],
    exposedHeaders: [
      ...connectCors.exposedHeaders,
      CORRELATION_HEADER,
      "idempotent-replayed",
      "retry-after",
    ],
    maxAge: 7_200,
  });
}

function pattern(origin: string): string | RegExp {
  if (!origin.endsWith(ANY_PORT)) return origin;
  const host = origin.slice(0, -ANY_PORT.length).replaceAll(/[.[\]]/g, "\\$&");
  return new RegExp(`^${host}(:\\d{1,5})?$`);
}

/**
 * Returns what is wrong with an entry of CORS_ORIGINS; undefined if it is an origin as browsers
 * write it, or one with `*` as its port.
 */
export function originProblem(text: string): string | undefined {
  const origin = text.endsWith(ANY_PORT) ? text.slice(0, -ANY_PORT.length) : text;
  const shown = JSON.stringify(text.slice(0, 100));
  if (!ORIGIN.test(origin) || !URL.canParse(origin))
    return `${shown} is not an origin: write "https://shop.example" or "http://localhost:*", in lower case and without a path`;
  const written = new URL(origin).origin;
  // Of other schemes, such as an app's own, the standard defines no origin.
  if (written === origin || !/^https?:/.test(origin)) return undefined;
  return `${shown} is not how browsers write it: write "${written}"`;
}

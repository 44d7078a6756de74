/**
 * One of the servers that `pnpm bench calls` compares. Reports its address, then its processor time
 * on request.
 */
import http2 from "node:http2";
import type { AddressInfo } from "node:net";
import { fromBinary, toBinary, toJson } from "@bufbuild/protobuf";
import type { ConnectRouter } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { Server, ServerCredentials } from "@grpc/grpc-js";
import { os } from "@orpc/server";
import { RPCHandler } from "@orpc/server/fastify";
import { PaymentService } from "@tercet/gen/payment/v1/payment_service";
import { createLogger, createService, parseEnv, serviceConfig, serviceEnv } from "@tercet/service";
import { initTRPC } from "@trpc/server";
import { fastifyTRPCPlugin } from "@trpc/server/adapters/fastify";
import { fastify } from "fastify";
import { z } from "zod";
import {
  frame,
  GRPC_JS_METHOD,
  METHOD,
  PATH,
  RESPONSE,
  TOKEN_ISSUER,
  TOKEN_SECRET,
  unframe,
} from "./call.ts";
import { respond } from "./worker.ts";

const TRPC_PREFIX = "/trpc";
/** As buf.validate has it for the message. */
const requestShape = z.object({ paymentId: z.uuid() });

const routes = (router: ConnectRouter) =>
  void router.service(PaymentService, { getPayment: () => RESPONSE });
const urlOf = (port: number) => `http://127.0.0.1:${port}`;

/** Each resolves to its address. */
const servers: Readonly<Record<string, () => Promise<string>>> = {
  /** Only the framing and protobuf-es. */
  "node:http2": () => {
    const server = http2.createServer();
    server.on("stream", (stream) => {
      const chunks: Buffer[] = [];
      stream.on("data", (chunk: Buffer) => chunks.push(chunk));
      stream.on("end", () => {
        fromBinary(METHOD.input, unframe(Buffer.concat(chunks)));
        stream.respond(
          { ":status": 200, "content-type": "application/grpc" },
          { waitForTrailers: true },
        );
        stream.once("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
        stream.end(frame(toBinary(METHOD.output, RESPONSE)));
      });
    });
    return listening(server);
  },
  "@grpc/grpc-js": async () => {
    const server = new Server();
    server.addService(
      { getPayment: GRPC_JS_METHOD },
      {
        getPayment: (_call: unknown, reply: (error: null, value: unknown) => void) =>
          reply(null, RESPONSE),
      },
    );
    const port = await new Promise<number>((resolve, reject) =>
      server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
        error ? reject(error) : resolve(bound),
      ),
    );
    return urlOf(port);
  },
  "connect-node": () => listening(http2.createServer(connectNodeAdapter({ routes }))),
  /**
   * With token, access, validation, deadline, limits, error mapping, telemetry's hooks, Fastify.
   */
  "Tercet's host": () => tercet("on"),
  "Tercet's host, FAST_PATH=off": () => tercet("off"),
  /** JSON over HTTP/1.1: what Fastify does with a route and nothing else. */
  "Fastify route": async () => {
    const app = fastify();
    const body = toJson(METHOD.output, RESPONSE);
    app.post(PATH, async () => body);
    return app.listen({ host: "127.0.0.1", port: 0 });
  },
  /** The same route by what many would pick for TypeScript, with validation and nothing else. */
  "tRPC on Fastify": async () => {
    const t = initTRPC.create();
    const getPayment = t.procedure
      .input(requestShape)
      .mutation(() => toJson(METHOD.output, RESPONSE));
    const app = fastify();
    await app.register(fastifyTRPCPlugin, {
      prefix: TRPC_PREFIX,
      trpcOptions: { router: t.router({ getPayment }) },
    });
    return `${await app.listen({ host: "127.0.0.1", port: 0 })}${TRPC_PREFIX}/getPayment`;
  },
  "oRPC on Fastify": async () => {
    const getPayment = os.input(requestShape).handler(() => toJson(METHOD.output, RESPONSE));
    const handler = new RPCHandler({ getPayment });
    const app = fastify();
    app.addContentTypeParser("*", (_request, _payload, done) => done(null, undefined));
    app.all("/rpc/*", async (request, reply) => {
      const { matched } = await handler.handle(request, reply, { prefix: "/rpc" });
      if (!matched) await reply.code(404).send();
    });
    return `${await app.listen({ host: "127.0.0.1", port: 0 })}/rpc/getPayment`;
  },
};

async function tercet(fastPath: "on" | "off"): Promise<string> {
  const env = parseEnv("bench", z.object(serviceEnv(0)), {
    HOST: "127.0.0.1",
    TOKEN_ISSUER,
    TOKEN_SECRET,
    REVOCATIONS_URL: "none",
    LOG_LEVEL: "warn",
    // The load is meant; admission counts it all the same.
    CALLER_CALLS_PER_SECOND: "1000000",
    ADDRESS_CALLS_PER_SECOND: "1000000",
    MIN_WORKING_CALLS: "1000",
    FAST_PATH: fastPath,
  });
  const config = serviceConfig(env);
  const log = createLogger({ name: "bench", ...config.log });
  return (await createService({ name: "payment", config, log, routes, errors: {} })).url;
}

async function listening(server: http2.Http2Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return urlOf((server.address() as AddressInfo).port);
}

const url = await servers[process.argv[2] ?? ""]?.();
await respond(url, async () => process.cpuUsage());

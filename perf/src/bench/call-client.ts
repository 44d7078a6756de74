/**
 * One of the clients that `pnpm bench calls` compares. On request, calls as often as it can and
 * reports the figures.
 */
import http from "node:http";
import http2 from "node:http2";
import { fromBinary, toBinary, toJson } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { Client, credentials, Metadata } from "@grpc/grpc-js";
import { PaymentService } from "@tercet/gen/payment/v1/payment_service";
import { createServiceClient } from "@tercet/service";
import { SignJWT } from "jose";
import {
  frame,
  GRPC_JS_METHOD,
  METHOD,
  PATH,
  REQUEST,
  TOKEN_ISSUER,
  TOKEN_SECRET,
  unframe,
} from "./call.ts";
import { type Figures, figuresOf, saturate } from "./load.ts";
import { respond } from "./worker.ts";

export interface Load {
  readonly inFlight: number;
  readonly durationMs: number;
}

export interface Called extends Figures {
  readonly cpu: NodeJS.CpuUsage;
}

const token = await new SignJWT({ roles: ["operator"] })
  .setProtectedHeader({ alg: "HS256", typ: "at+jwt" })
  .setIssuer(TOKEN_ISSUER)
  .setAudience("payment")
  .setSubject("bench")
  .setJti(crypto.randomUUID())
  .setIssuedAt()
  .setExpirationTime("15m")
  .sign(new TextEncoder().encode(TOKEN_SECRET));
const authorization = `Bearer ${token}`;

/** Each returns a function that makes one call. */
const clients: Readonly<Record<string, (url: string) => () => Promise<unknown>>> = {
  /** Only the framing and protobuf-es. */
  "node:http2": (url) => {
    const session = http2.connect(url);
    const headers = {
      ":method": "POST",
      ":path": PATH,
      "content-type": "application/grpc",
      te: "trailers",
      authorization,
    };
    return () =>
      new Promise((resolve, reject) => {
        const stream = session.request(headers);
        const chunks: Buffer[] = [];
        let status: unknown;
        // A response without a message has the status in its headers.
        for (const event of ["response", "trailers"])
          stream.on(event, (headers) => {
            status = headers["grpc-status"];
          });
        stream.on("data", (chunk: Buffer) => chunks.push(chunk));
        stream.on("error", reject);
        stream.on("close", () => {
          if (status !== "0") reject(new Error(`grpc-status ${status}`));
          else resolve(fromBinary(METHOD.output, unframe(Buffer.concat(chunks))));
        });
        stream.end(frame(toBinary(METHOD.input, REQUEST)));
      });
  },
  "@grpc/grpc-js": (url) => {
    const client = new Client(new URL(url).host, credentials.createInsecure());
    const metadata = new Metadata();
    metadata.set("authorization", authorization);
    const { requestSerialize: encode, responseDeserialize: decode } = GRPC_JS_METHOD;
    return () =>
      new Promise((resolve, reject) =>
        client.makeUnaryRequest(PATH, encode, decode, REQUEST, metadata, (error, value) =>
          error ? reject(error) : resolve(value),
        ),
      );
  },
  "connect-node": (baseUrl) => {
    const client = createClient(PaymentService, createGrpcTransport({ baseUrl }));
    return () => client.getPayment(REQUEST, { headers: { authorization } });
  },
  /** With token, deadline, retries, budget, breaker, bulkhead, and telemetry's hooks. */
  "Tercet's client": (baseUrl) => tercet(baseUrl, true),
  "Tercet's client, FAST_PATH=off": (baseUrl) => tercet(baseUrl, false),
  /** JSON over HTTP/1.1, on connections that are kept. */
  "node:http": (url) => jsonCaller(`${url}${PATH}`, toJson(METHOD.input, REQUEST)),
  "node:http to tRPC": (url) => jsonCaller(url, toJson(METHOD.input, REQUEST)),
  "node:http to oRPC": (url) => jsonCaller(url, { json: toJson(METHOD.input, REQUEST) }),
};

function jsonCaller(url: string, message: unknown): () => Promise<unknown> {
  const agent = new http.Agent({ keepAlive: true });
  const body = JSON.stringify(message);
  const headers = {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(body),
    authorization,
  };
  return () =>
    new Promise((resolve, reject) => {
      const request = http.request(url, { method: "POST", agent, headers });
      request.on("error", reject);
      request.on("response", (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("end", () => {
          if (response.statusCode !== 200) reject(new Error(`status ${response.statusCode}`));
          else resolve(JSON.parse(Buffer.concat(chunks).toString()));
        });
      });
      request.end(body);
    });
}

function tercet(baseUrl: string, fastPath: boolean): () => Promise<unknown> {
  const client = createServiceClient(PaymentService, {
    baseUrl,
    timeoutMs: 5_000,
    token: async () => token,
    fastPath,
  });
  return () => client.getPayment(REQUEST);
}

const [name = "", url = ""] = process.argv.slice(2);
const call =
  clients[name]?.(url) ?? (() => Promise.reject(new Error(`there is no client ${name}`)));

await respond("ready", async ({ inFlight, durationMs }: Load): Promise<Called> => {
  const before = process.cpuUsage();
  const measured = await saturate(async () => void (await call()), inFlight, durationMs);
  return { ...figuresOf(measured), cpu: process.cpuUsage(before) };
});

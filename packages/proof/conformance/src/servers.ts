import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import {
  create,
  type DescMessage,
  fromBinary,
  type MessageInitShape,
  toBinary,
} from "@bufbuild/protobuf";
import {
  createService,
  type Logger,
  parseEnv,
  type ServiceConfig,
  serviceConfig,
  serviceEnv,
} from "@tercet/service";
import { z } from "zod";
import type { Contract } from "./contract.ts";
import type { ServerCompatRequest } from "./messages.ts";
import { conformanceRoutes } from "./routes.ts";

const HOST = "127.0.0.1";
const LENGTH_BYTES = 4;

/**
 * Listens on the socket at `path`, and runs our host with the suite's service for each connection,
 * configured as it requests, until it ends.
 */
export async function serveSuite(
  contract: Contract,
  path: string,
  log: Logger,
): Promise<AsyncDisposable> {
  const running = new Set<Promise<void>>();
  const listener = createServer((socket) => {
    const served = serveOne(contract, socket, log).catch((error: unknown) => {
      log.error({ err: error }, "a server could not be started");
      socket.destroy();
    });
    running.add(served);
    void served.then(() => running.delete(served));
  });
  listener.listen(path);
  await once(listener, "listening");
  return {
    [Symbol.asyncDispose]: async () => {
      listener.close();
      await Promise.all(running);
    },
  };
}

async function serveOne(contract: Contract, socket: Socket, log: Logger): Promise<void> {
  const ended = new Promise((resolve) => socket.once("close", resolve));
  socket.on("error", () => {});
  const request = fromBinary(
    contract.message("ServerCompatRequest"),
    await readFrame(socket),
  ) as unknown as ServerCompatRequest;
  await using service = await createService({
    name: "conformance",
    config: configFor(request),
    log,
    routes: conformanceRoutes(contract),
    errors: {},
    // The suite has no tokens.
    openServices: [contract.service],
  });
  const answer = {
    host: HOST,
    port: service.port,
    pemCert: request.useTls ? request.serverCreds?.cert : undefined,
  };
  const schema = contract.message("ServerCompatResponse");
  socket.write(frame(toBinary(schema, create(schema, answer as MessageInitShape<DescMessage>))));
  socket.resume();
  await ended;
}

/** Production's configuration, except what the suite requests. */
function configFor({
  useTls,
  serverCreds,
  clientTlsCert,
  messageReceiveLimit,
}: ServerCompatRequest): ServiceConfig {
  const env = {
    HOST,
    PORT: "0",
    REVOCATIONS_URL: "none",
    CALLER_CALLS_PER_SECOND: "0",
    ADDRESS_CALLS_PER_SECOND: "0",
    MIN_WORKING_CALLS: "1000",
    TOKEN_ISSUER: "http://issuer.test",
    ...(messageReceiveLimit > 0 && { READ_MAX_BYTES: String(messageReceiveLimit) }),
  };
  const config = serviceConfig(parseEnv("conformance", z.object(serviceEnv(0)), env));
  if (!useTls || serverCreds === undefined) return config;
  const pem = (bytes: Uint8Array) => Buffer.from(bytes).toString();
  const clientCa = clientTlsCert.length > 0 ? { clientCa: pem(clientTlsCert) } : {};
  return {
    ...config,
    tls: { cert: pem(serverCreds.cert), key: pem(serverCreds.key), ...clientCa },
  };
}

/** Reads one length-prefixed message and leaves the connection open. */
async function readFrame(socket: Socket): Promise<Buffer> {
  let read: Buffer = Buffer.alloc(0);
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    read = Buffer.concat([read, chunk]);
    if (read.length < LENGTH_BYTES) continue;
    const end = LENGTH_BYTES + read.readUInt32BE();
    if (read.length >= end) return read.subarray(LENGTH_BYTES, end);
  }
  throw new Error("the suite ended before it requested a server");
}

function frame(message: Uint8Array): Buffer {
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt32BE(message.length);
  return Buffer.concat([length, message]);
}

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
import { frame, readFrames } from "./frames.ts";
import type { ServerCompatRequest } from "./messages.ts";
import { conformanceRoutes } from "./routes.ts";

const HOST = "127.0.0.1";

/**
 * Listens on the socket at `path`, and runs our host with the suite's service for each connection,
 * configured as it requests, until it ends.
 */
export const serveSuite = (
  contract: Contract,
  path: string,
  log: Logger,
  fastPath: boolean,
): Promise<AsyncDisposable> =>
  listenForSuite(path, log, (socket) => serveOne(contract, socket, log, fastPath));

/** Listens on the socket at `path`, and has `serve` talk to each process that the suite starts. */
export async function listenForSuite(
  path: string,
  log: Logger,
  serve: (socket: Socket) => Promise<void>,
): Promise<AsyncDisposable> {
  const running = new Set<Promise<void>>();
  const listener = createServer({ allowHalfOpen: true }, (socket) => {
    const served = serve(socket).catch((error: unknown) => {
      log.error({ err: error }, "the suite could not be served");
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

async function serveOne(
  contract: Contract,
  socket: Socket,
  log: Logger,
  fastPath: boolean,
): Promise<void> {
  const ended = new Promise((resolve) => socket.once("close", resolve));
  socket.once("end", () => socket.end());
  socket.on("error", () => {});
  const { value } = await readFrames(socket).next();
  if (value === undefined) throw new Error("the suite ended before it requested a server");
  const request = fromBinary(
    contract.message("ServerCompatRequest"),
    value,
  ) as unknown as ServerCompatRequest;
  await using service = await createService({
    name: "conformance",
    config: { ...configFor(request), fastPath },
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

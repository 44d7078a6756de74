/** The program that the suite starts for each kind of server it needs: our own host, with the suite's service in it. Its argument is the suite's contracts. */
import type { Readable } from "node:stream";
import { create, type DescMessage, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { createLogger, createService, parseEnv, runService, type ServiceConfig, serviceConfig, serviceEnv } from "@tercet/service";
import { z } from "zod";
import { Contract } from "./contract.ts";
import type { ServerCompatRequest } from "./messages.ts";
import { conformanceRoutes } from "./routes.ts";

const HOST = "127.0.0.1";
const LENGTH_BYTES = 4;

const [, , descriptors = ""] = process.argv;

await runService(async () => {
  const contract = await Contract.load(descriptors);
  const request = fromBinary(contract.message("ServerCompatRequest"), await readFrame(process.stdin)) as unknown as ServerCompatRequest;
  const service = await createService({
    name: "conformance",
    config: configFor(request),
    // Standard output is the suite's.
    log: createLogger({ name: "conformance", level: "warn" }, { write: (line) => void process.stderr.write(line) }),
    routes: conformanceRoutes(contract),
    errors: {},
    // The suite has no tokens.
    openServices: [contract.service],
  });
  const answer = { host: HOST, port: service.port, pemCert: request.useTls ? request.serverCreds?.cert : undefined };
  const schema = contract.message("ServerCompatResponse");
  process.stdout.write(frame(toBinary(schema, create(schema, answer as MessageInitShape<DescMessage>))));
  return service;
});

/** Production's, but for what the suite names. */
function configFor({ useTls, serverCreds, clientTlsCert, messageReceiveLimit }: ServerCompatRequest): ServiceConfig {
  const env = {
    HOST,
    PORT: "0",
    TOKEN_ISSUER: "http://issuer.test",
    ...(messageReceiveLimit > 0 && { READ_MAX_BYTES: String(messageReceiveLimit) }),
  };
  const config = serviceConfig(parseEnv("conformance", z.object(serviceEnv(0)), env));
  if (!useTls || serverCreds === undefined) return config;
  const pem = (bytes: Uint8Array) => Buffer.from(bytes).toString();
  const clientCa = clientTlsCert.length > 0 ? { clientCa: pem(clientTlsCert) } : {};
  return { ...config, tls: { cert: pem(serverCreds.cert), key: pem(serverCreds.key), ...clientCa } };
}

/** A message behind its length. The suite keeps its end open. */
async function readFrame(source: Readable): Promise<Buffer> {
  let read: Buffer = Buffer.alloc(0);
  for await (const chunk of source) {
    read = Buffer.concat([read, chunk]);
    if (read.length < LENGTH_BYTES) continue;
    const end = LENGTH_BYTES + read.readUInt32BE();
    if (read.length >= end) return read.subarray(LENGTH_BYTES, end);
  }
  throw new Error("the suite ended before it had said what server it needs");
}

function frame(message: Uint8Array): Buffer {
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt32BE(message.length);
  return Buffer.concat([length, message]);
}

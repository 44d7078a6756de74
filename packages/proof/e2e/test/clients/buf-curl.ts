import { execFile } from "node:child_process";
import { resolve } from "node:path";
import { ROOT } from "@tercet/cli";
import {
  type CallOptions,
  type ErrorJson,
  type Json,
  jsonShop,
  toFailure,
  type Wire,
} from "./json-shop.ts";
import { REPLAYED, type ShopClient, type Targets } from "./shop.ts";

const BUF = resolve(ROOT, "node_modules/.bin/buf");

export type BufProtocol = "grpc" | "grpcweb" | "connect";

/**
 * `buf curl`, one process per call, with connect-go's clients. It reads the contracts from
 * `proto/`; over gRPC it uses the services' reflection, which it cannot over HTTP/1.1.
 */
export function bufCurl(protocol: BufProtocol, targets: Targets): ShopClient {
  const flags = [
    "--protocol",
    protocol,
    ...(protocol === "grpc" ? ["--http2-prior-knowledge"] : ["--schema", "proto"]),
  ];
  const call = (method: string, message: Json, options: CallOptions) => {
    const url = `${targets[method.split(".")[0] as keyof Targets]}/${method}`;
    return run([...flags, ...flagsOf(options), "--data", JSON.stringify(message), url]);
  };
  const wire: Wire = {
    unary: async (method, message, options) => {
      const { documents, said } = await call(method, message, options);
      const [answer] = documents;
      if (answer === undefined || documents.length > 1)
        throw new Error(`${documents.length} answers to one call`);
      return {
        message: answer,
        replayed: new RegExp(`^buf: < .*${REPLAYED}: true$`, "im").test(said),
      };
    },
    async *stream(method, message, options) {
      yield* (await call(method, message, options)).documents;
    },
  };
  return { shop: (token) => jsonShop(wire, token), [Symbol.dispose]: () => {} };
}

/** Headers are printed only in verbose mode. */
const flagsOf = ({ token, timeoutMs }: CallOptions): string[] => [
  "--verbose",
  ...(token === undefined ? [] : ["--header", `authorization: Bearer ${token}`]),
  ...(timeoutMs === undefined ? [] : ["--timeout", `${timeoutMs}ms`]),
];

/** An exit code of 8 or more is 8 times the RPC's code; a smaller one is its own failure. */
const RPC_FAILED = 8;

function run(args: readonly string[]): Promise<{ documents: Json[]; said: string }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ documents: Json[]; said: string }>();
  execFile(BUF, ["curl", ...args], { cwd: ROOT }, (error, stdout, stderr) => {
    if (error === null) return resolve({ documents: documentsIn(stdout), said: stderr });
    if (typeof error.code !== "number" || error.code < RPC_FAILED) return reject(error);
    const [failure] = documentsIn(withoutChatter(stderr));
    return reject(failure === undefined ? error : toFailure(failure as unknown as ErrorJson));
  });
  return promise;
}

const withoutChatter = (stderr: string): string =>
  stderr
    .split("\n")
    .filter((line) => !line.startsWith("buf: "))
    .join("\n");

/** Splits indented JSON documents: each ends at a line that is a closing brace. */
const documentsIn = (text: string): Json[] =>
  text
    .split(/(?<=^\}$)/m)
    .filter((document) => document.trim() !== "")
    .map((document) => JSON.parse(document));

import { execFile } from "node:child_process";
import { grpcCode } from "./grpc-code.ts";
import { type CallOptions, type Json, jsonShop, type Wire } from "./json-shop.ts";
import { CallFailure, REPLAYED, type ShopClient, type Targets } from "./shop.ts";

/** grpcurl, one process per call. It learns the contracts from the services' reflection. */
export function grpcurl(program: string, targets: Targets): ShopClient {
  const call = (method: string, message: Json, options: CallOptions) => {
    const { host } = new URL(targets[method.split(".")[0] as keyof Targets]);
    return run(program, [...flagsOf(options), "-d", JSON.stringify(message), host, method]);
  };
  const wire: Wire = {
    unary: async (method, message, options) => {
      const said = await call(method, message, options);
      const [answer, ...more] = messagesIn(said);
      if (answer === undefined || more.length > 0)
        throw new Error(`${more.length + 1} answers to one call`);
      return { message: answer, replayed: said.includes(`\n${REPLAYED}: true\n`) };
    },
    async *stream(method, message, options) {
      yield* messagesIn(await call(method, message, options));
    },
  };
  return { shop: (token) => jsonShop(wire, token), [Symbol.dispose]: () => {} };
}

/** Headers are printed only in verbose mode. */
const flagsOf = ({ token, timeoutMs }: CallOptions): string[] => [
  "-plaintext",
  "-v",
  "-format-error",
  ...(token === undefined ? [] : ["-H", `authorization: Bearer ${token}`]),
  ...(timeoutMs === undefined ? [] : ["-max-time", String(timeoutMs / 1_000)]),
];

/** An exit code above 64 is 64 plus the RPC's code. */
const RPC_FAILED = 64;

function run(program: string, args: readonly string[]): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  execFile(program, args, (error, stdout, stderr) => {
    if (error === null) resolve(stdout);
    else if (typeof error.code === "number" && error.code > RPC_FAILED)
      reject(toFailure(documentIn(stderr)));
    else reject(error);
  });
  return promise;
}

/**
 * Each message follows a heading line and ends at a closing brace; an empty message is on one line.
 */
const messagesIn = (said: string): Json[] =>
  [...said.matchAll(/^Response contents:\n(\{\}|\{\n(?:.|\n)*?\n\})$/gm)].map(([, document = ""]) =>
    JSON.parse(document),
  );

interface StatusJson {
  readonly code: number;
  readonly message?: string;
  readonly details?: readonly { readonly "@type": string; readonly reason?: string }[];
}

const documentIn = (text: string): StatusJson => JSON.parse(text.slice(text.indexOf("{")));

function toFailure({ code, message = "", details = [] }: StatusJson): CallFailure {
  const info = details.find(
    (detail) => detail["@type"] === "type.googleapis.com/common.v1.ErrorInfo",
  );
  return new CallFailure(grpcCode(code), info?.reason, message);
}

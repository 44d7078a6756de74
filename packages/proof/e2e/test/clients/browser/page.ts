/** The page's script: the generated clients over gRPC-Web, which run the tasks of `browser.ts`. */
import { Code, ConnectError } from "@connectrpc/connect";
import { createGrpcWebTransport } from "@connectrpc/connect-web";
import { ErrorInfoSchema } from "@tercet/gen/common/v1/error";
import { generatedClient } from "../generated.ts";
import { collect } from "../shop.ts";
import type { Outcome, PageScope, Task } from "./task.ts";

async function perform({ targets, token, method, parameters }: Task): Promise<Outcome> {
  using client = generatedClient(createGrpcWebTransport, targets);
  const shop = client.shop(token);
  try {
    const answer = (
      shop[method] as (...given: readonly unknown[]) => Promise<unknown> | AsyncIterable<unknown>
    )(...parameters);
    return { value: Symbol.asyncIterator in answer ? await collect(answer) : await answer };
  } catch (thrown) {
    const error = ConnectError.from(thrown);
    const code = (Code[error.code] ?? "").replace(/(?<=.)[A-Z]/g, "_$&").toLowerCase();
    return {
      error: {
        code,
        reason: error.findDetails(ErrorInfoSchema)[0]?.reason,
        message: error.rawMessage,
      },
    };
  }
}

Object.assign(globalThis, { perform } satisfies PageScope);

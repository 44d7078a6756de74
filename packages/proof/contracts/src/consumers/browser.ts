import assert from "node:assert/strict";
import type { DescService } from "@bufbuild/protobuf";
import { type Client, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";
import { reasonOf } from "@tercet/service";
import { EXAMPLE_TOKEN, type Refusal } from "../pact.ts";

/** A page's client, over its `fetch`. */
export function browserClient<S extends DescService>(
  service: S,
  baseUrl: string,
  { token }: { readonly token: boolean },
): Client<S> {
  const transport = createConnectTransport({
    baseUrl,
    interceptors: [
      (next) => (request) => {
        if (token) request.header.set("authorization", `Bearer ${EXAMPLE_TOKEN}`);
        return next(request);
      },
    ],
  });
  return createClient(service, transport);
}

/** A page switches on the code and the reason. */
export async function refusedWith(
  { code, reason }: Refusal,
  call: Promise<unknown>,
): Promise<void> {
  await assert.rejects(call, (error) => {
    assert.ok(error instanceof ConnectError);
    assert.deepEqual({ code: error.code, reason: reasonOf(error) }, { code, reason });
    return true;
  });
}

import assert from "node:assert/strict";
import {
  type DescMessage,
  type DescMethodUnary,
  fromJson,
  type JsonValue,
  type MessageInitShape,
  type MessageShape,
} from "@bufbuild/protobuf";
import type { ConnectError } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";
import { Matchers, type Pact } from "@pact-foundation/pact";
import { reasonOf } from "@tercet/service";
import { EXAMPLE_TOKEN, type Exchange, exchange, Refusal } from "../pact.ts";

/**
 * Makes a page's call, over its `fetch`, with the examples of the request. A refusal must arrive
 * with its code and reason, on which a page switches; `check` takes any other response.
 */
export async function ask<I extends DescMessage, O extends DescMessage>(
  pact: Pact,
  how: Exchange & { readonly method: DescMethodUnary<I, O> },
  check: (response: MessageShape<O>) => void = () => assert.fail("the call was not refused"),
): Promise<void> {
  const { method, answer } = how;
  const request = fromJson(method.input, Matchers.reify(how.request) as JsonValue);
  const headers = { ...(how.token && { authorization: `Bearer ${EXAMPLE_TOKEN}` }) };
  await exchange(pact, how, async (baseUrl) => {
    const response = createConnectTransport({ baseUrl }).unary(
      method,
      undefined,
      undefined,
      headers,
      request as MessageInitShape<I>,
    );
    if (!(answer instanceof Refusal)) return check((await response).message);
    await assert.rejects(response, (error: ConnectError) => {
      assert.deepEqual([error.code, reasonOf(error)], [answer.code, answer.reason]);
      return true;
    });
  });
}

import assert from "node:assert/strict";
import type { DescService } from "@bufbuild/protobuf";
import { type Client, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";
import type { Pact } from "@pact-foundation/pact";
import { reasonOf } from "@tercet/service";
import { EXAMPLE_TOKEN, type Exchange, exchange, type Refusal } from "../pact.ts";

type Call<S extends DescService, T> = (client: Client<S>) => Promise<T>;

/** Makes a page's calls to one service in a pact. */
export class Page<S extends DescService> {
  readonly #pact: Pact;
  readonly #service: S;

  constructor(pact: Pact, service: S) {
    this.#pact = pact;
    this.#service = service;
  }

  async ask(how: Exchange, call: Call<S, void>): Promise<void> {
    await exchange(this.#pact, how, (url) =>
      call(browserClient(this.#service, url, how.token ?? false)),
    );
  }

  /** Makes a call that is refused. A page switches on the code and the reason. */
  async refused(how: Exchange & { readonly answer: Refusal }, call: Call<S, unknown>) {
    const { code, reason } = how.answer;
    await this.ask(how, (client) =>
      assert.rejects(call(client), (error) => {
        assert.ok(error instanceof ConnectError);
        assert.deepEqual({ code: error.code, reason: reasonOf(error) }, { code, reason });
        return true;
      }),
    );
  }
}

/** A page's client, over its `fetch`. */
function browserClient<S extends DescService>(service: S, baseUrl: string, token: boolean) {
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

import assert from "node:assert/strict";
import { Code } from "@connectrpc/connect";
import { Matchers, type Pact } from "@pact-foundation/pact";
import { IdentityService } from "@tercet/gen/identity/v1/identity";
import { remoteKeys, serviceToken } from "@tercet/service";
import { connectJson } from "../connect-json.ts";
import {
  duration,
  EXAMPLE_TOKEN,
  exchange,
  fetched,
  fromState,
  jwt,
  Refusal,
  text,
} from "../pact.ts";

const { issueServiceToken } = IdentityService.method;
const SECRET = "the-secret-of-the-order-service";

/** The public key of RFC 7517, appendix A.1: an example must lie on the curve. */
const KEY = {
  kid: "2026-01",
  x: "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
  y: "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
};

/** How Order gets a token for Payment, and the keys that verify tokens. */
export async function orderOfIdentity(pact: Pact): Promise<void> {
  const credentials = { clientId: "order", clientSecret: SECRET, audience: "payment" };
  const tokenAt = (identityUrl: string) =>
    serviceToken({ identityUrl, ...credentials, transport: connectJson })();
  await exchange(
    pact,
    {
      receiving: "a service that asks for a token",
      given: [{ name: "Order is a client of Identity" }],
      method: issueServiceToken,
      request: { ...credentials, clientSecret: fromState("clientSecret", SECRET) },
      answer: { accessToken: jwt(), expiresIn: duration("600s"), tokenType: "Bearer" },
    },
    async (url) => assert.equal(await tokenAt(url), EXAMPLE_TOKEN),
  );
  await exchange(
    pact,
    {
      receiving: "a service with a wrong secret",
      method: issueServiceToken,
      request: credentials,
      answer: new Refusal(Code.Unauthenticated, "INVALID_CREDENTIALS"),
    },
    (url) => assert.rejects(tokenAt(url), { code: Code.Unauthenticated }),
  );
  const [kid, x, y] = [text(KEY.kid), text(KEY.x), text(KEY.y)];
  const key = { kty: "EC", crv: "P-256", alg: "ES256", use: "sig", kid, x, y };
  await fetched(
    pact,
    "a service that needs the keys",
    "/.well-known/jwks.json",
    { keys: Matchers.eachLike(key) },
    async (url) => {
      const keys = remoteKeys(url);
      assert.ok(typeof keys === "function");
      const found = await keys({ alg: "ES256", kid: KEY.kid }, { payload: "", signature: "" });
      assert.ok("type" in found && found.type === "public");
    },
  );
}

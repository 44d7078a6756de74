import assert from "node:assert/strict";
import { Code } from "@connectrpc/connect";
import { Matchers, type Pact } from "@pact-foundation/pact";
import { Role } from "@tercet/gen/common/v1/access";
import { IdentityService } from "@tercet/gen/identity/v1/identity";
import {
  duration,
  EXAMPLE_TOKEN,
  type Exchange,
  exchange,
  fromState,
  jwt,
  Refusal,
  timestamp,
  uuid,
} from "../pact.ts";
import { browserClient, refusedWith } from "./browser.ts";

const { register, login, refresh, getMe } = IdentityService.method;

const USER_ID = "0199c0de-0000-7000-8000-000000000020";
const REQUEST_ID = "6b0a2f6e-3d0c-4a3e-9d55-3a9a8f0d1c01";
const REFRESH_TOKEN = "an-opaque-refresh-token-of-the-example";
const ADA = { email: "ada@example.com", password: "correct horse battery" };
const ada = { name: "Ada is registered", params: ADA };
const loggedIn = { name: "somebody is logged in" };

const user = (email: unknown) => ({
  id: uuid(USER_ID),
  email,
  displayName: "Ada",
  roles: ["ROLE_CUSTOMER"],
  createTime: timestamp(),
});
const tokens = {
  accessToken: jwt(),
  refreshToken: Matchers.regex(/^[A-Za-z0-9_-]{20,200}$/, REFRESH_TOKEN),
  expiresIn: duration("600s"),
  tokenType: "Bearer",
};

type Call = (client: ReturnType<typeof clientOf>) => Promise<void>;
const clientOf = (url: string, token: boolean) => browserClient(IdentityService, url, { token });

/** How a page makes an account, logs in and stays logged in. */
export async function browserOfIdentity(pact: Pact): Promise<void> {
  const ask = (how: Exchange, call: Call) =>
    exchange(pact, how, (url) => call(clientOf(url, how.token ?? false)));
  const refuse = (
    how: Exchange & { readonly answer: Refusal },
    call: (client: ReturnType<typeof clientOf>) => Promise<unknown>,
  ) => ask(how, (client) => refusedWith(how.answer, call(client)));
  await registration(ask, refuse);
  await session(ask, refuse);
}

type Ask = (how: Exchange, call: Call) => Promise<void>;
type Refuse = (
  how: Exchange & { readonly answer: Refusal },
  call: (client: ReturnType<typeof clientOf>) => Promise<unknown>,
) => Promise<void>;

async function registration(ask: Ask, refuse: Refuse): Promise<void> {
  const grace = {
    email: "grace@example.com",
    password: "correct horse battery",
    displayName: "Ada",
    requestId: REQUEST_ID,
  };
  await ask(
    { receiving: "a registration", method: register, request: grace, answer: user(grace.email) },
    async (client) => {
      const { id, roles } = await client.register(grace);
      assert.deepEqual({ id, roles }, { id: USER_ID, roles: [Role.CUSTOMER] });
    },
  );
  const again = { ...grace, ...ADA, requestId: "6b0a2f6e-3d0c-4a3e-9d55-3a9a8f0d1c02" };
  const taken = new Refusal(Code.AlreadyExists, "EMAIL_TAKEN");
  await refuse(
    {
      receiving: "a registration under an address that is taken",
      given: [ada],
      method: register,
      request: again,
      answer: taken,
    },
    (client) => client.register(again),
  );
  const short = { ...grace, password: "short" };
  const invalid = new Refusal(Code.InvalidArgument, "INVALID_FIELD", {
    field: "password",
    rule: "string.min_len",
  });
  await refuse(
    {
      receiving: "a registration with a short password",
      method: register,
      request: short,
      answer: invalid,
    },
    (client) => client.register(short),
  );
}

async function session(ask: Ask, refuse: Refuse): Promise<void> {
  await ask(
    {
      receiving: "a login",
      given: [ada],
      method: login,
      request: ADA,
      answer: { ...tokens, user: user(ADA.email) },
    },
    async (client) => {
      const { accessToken, expiresIn } = await client.login(ADA);
      assert.deepEqual(
        { accessToken, seconds: expiresIn?.seconds },
        { accessToken: EXAMPLE_TOKEN, seconds: 600n },
      );
    },
  );
  const wrong = { ...ADA, password: "wrong horse battery" };
  const credentials = new Refusal(Code.Unauthenticated, "INVALID_CREDENTIALS");
  await refuse(
    {
      receiving: "a login with a wrong password",
      given: [ada],
      method: login,
      request: wrong,
      answer: credentials,
    },
    (client) => client.login(wrong),
  );
  const known = { refreshToken: fromState("refreshToken", REFRESH_TOKEN) };
  await ask(
    { receiving: "a refresh", given: [loggedIn], method: refresh, request: known, answer: tokens },
    async (client) => {
      assert.equal(
        (await client.refresh({ refreshToken: REFRESH_TOKEN })).refreshToken,
        REFRESH_TOKEN,
      );
    },
  );
  const unknown = { refreshToken: "nobody-ever-got-this-refresh-token" };
  await refuse(
    {
      receiving: "a refresh with an unknown token",
      method: refresh,
      request: unknown,
      answer: credentials,
    },
    (client) => client.refresh(unknown),
  );
  const me = {
    receiving: "a user who asks who they are",
    given: [loggedIn],
    method: getMe,
    token: true,
    request: {},
  };
  await ask({ ...me, answer: user(Matchers.email(ADA.email)) }, async (client) =>
    assert.equal((await client.getMe({})).displayName, "Ada"),
  );
  const nobody = new Refusal(Code.Unauthenticated, "UNAUTHENTICATED");
  await refuse(
    {
      receiving: "somebody without a token who asks who they are",
      method: getMe,
      request: {},
      answer: nobody,
    },
    (client) => client.getMe({}),
  );
}

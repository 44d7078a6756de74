import assert from "node:assert/strict";
import { Code } from "@connectrpc/connect";
import { Matchers, type Pact } from "@pact-foundation/pact";
import { Role } from "@tercet/gen/common/v1/access";
import { IdentityService } from "@tercet/gen/identity/v1/identity";
import { duration, EXAMPLE_TOKEN, fromState, jwt, Refusal, timestamp, uuid } from "../pact.ts";
import { Page } from "./browser.ts";

const { register, login, refresh, getMe } = IdentityService.method;

const USER_ID = "0199c0de-0000-7000-8000-000000000020";
const REQUEST_ID = "6b0a2f6e-3d0c-4a3e-9d55-3a9a8f0d1c01";
const REFRESH_TOKEN = "an-opaque-refresh-token-of-the-example";
const ADA = { email: "ada@example.com", password: "correct horse battery" };
const ada = { name: "Ada is registered", params: ADA };
const loggedIn = { name: "a user is logged in" };

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

/** How a page makes an account, logs in and stays logged in. */
export async function browserOfIdentity(pact: Pact): Promise<void> {
  const page = new Page(pact, IdentityService);
  await registration(page);
  await session(page);
}

type IdentityPage = Page<typeof IdentityService>;

async function registration(page: IdentityPage): Promise<void> {
  const grace = {
    email: "grace@example.com",
    password: "correct horse battery",
    displayName: "Ada",
    requestId: REQUEST_ID,
  };
  await page.ask(
    { receiving: "a registration", method: register, request: grace, answer: user(grace.email) },
    async (client) => {
      const { id, roles } = await client.register(grace);
      assert.deepEqual({ id, roles }, { id: USER_ID, roles: [Role.CUSTOMER] });
    },
  );
  const again = { ...grace, ...ADA, requestId: "6b0a2f6e-3d0c-4a3e-9d55-3a9a8f0d1c02" };
  const taken = {
    receiving: "a registration under an address that is taken",
    given: [ada],
    method: register,
    request: again,
    answer: new Refusal(Code.AlreadyExists, "EMAIL_TAKEN"),
  };
  await page.refused(taken, (client) => client.register(again));
  const short = { ...grace, password: "short" };
  const rule = { field: "password", rule: "string.min_len" };
  const invalid = {
    receiving: "a registration with a short password",
    method: register,
    request: short,
    answer: new Refusal(Code.InvalidArgument, "INVALID_FIELD", rule),
  };
  await page.refused(invalid, (client) => client.register(short));
}

async function session(page: IdentityPage): Promise<void> {
  const answer = { ...tokens, user: user(ADA.email) };
  const loggingIn = { given: [ada], method: login };
  await page.ask({ ...loggingIn, receiving: "a login", request: ADA, answer }, async (client) => {
    const { accessToken, expiresIn } = await client.login(ADA);
    assert.deepEqual([accessToken, expiresIn?.seconds], [EXAMPLE_TOKEN, 600n]);
  });
  const wrong = { ...ADA, password: "wrong horse battery" };
  const credentials = new Refusal(Code.Unauthenticated, "INVALID_CREDENTIALS");
  await page.refused(
    {
      ...loggingIn,
      receiving: "a login with a wrong password",
      request: wrong,
      answer: credentials,
    },
    (client) => client.login(wrong),
  );
  const request = { refreshToken: fromState("refreshToken", REFRESH_TOKEN) };
  await page.ask(
    { receiving: "a refresh", given: [loggedIn], method: refresh, request, answer: tokens },
    async (client) => {
      const { refreshToken } = await client.refresh({ refreshToken: REFRESH_TOKEN });
      assert.equal(refreshToken, REFRESH_TOKEN);
    },
  );
  const unknown = { refreshToken: "a-refresh-token-that-was-never-issued" };
  await page.refused(
    {
      receiving: "a refresh with an unknown token",
      method: refresh,
      request: unknown,
      answer: credentials,
    },
    (client) => client.refresh(unknown),
  );
  const me = { method: getMe, request: {} };
  await page.ask(
    {
      ...me,
      receiving: "a user who reads their account",
      given: [loggedIn],
      token: true,
      answer: user(Matchers.email(ADA.email)),
    },
    async (client) => assert.equal((await client.getMe({})).displayName, "Ada"),
  );
  const unauthenticated = new Refusal(Code.Unauthenticated, "UNAUTHENTICATED");
  await page.refused(
    { ...me, receiving: "a read of an account without a token", answer: unauthenticated },
    (client) => client.getMe({}),
  );
}

import assert from "node:assert/strict";
import { Code } from "@connectrpc/connect";
import { Matchers, type Pact } from "@pact-foundation/pact";
import { Role } from "@tercet/gen/common/v1/access";
import { IdentityService } from "@tercet/gen/identity/v1/identity";
import { duration, EXAMPLE_TOKEN, fromState, jwt, Refusal, timestamp, uuid } from "../pact.ts";
import { ask } from "./browser.ts";

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
  await registration(pact);
  await session(pact);
}

async function registration(pact: Pact): Promise<void> {
  const grace = {
    email: "grace@example.com",
    password: "correct horse battery",
    displayName: "Ada",
    requestId: REQUEST_ID,
  };
  const method = register;
  await ask(
    pact,
    { receiving: "a registration", method, request: grace, answer: user(grace.email) },
    ({ id, roles }) => assert.deepEqual({ id, roles }, { id: USER_ID, roles: [Role.CUSTOMER] }),
  );
  await ask(pact, {
    receiving: "a registration under an address that is taken",
    given: [ada],
    method,
    request: { ...grace, ...ADA, requestId: "6b0a2f6e-3d0c-4a3e-9d55-3a9a8f0d1c02" },
    answer: new Refusal(Code.AlreadyExists, "EMAIL_TAKEN"),
  });
  const rule = { field: "password", rule: "string.min_len" };
  await ask(pact, {
    receiving: "a registration with a short password",
    method,
    request: { ...grace, password: "short" },
    answer: new Refusal(Code.InvalidArgument, "INVALID_FIELD", rule),
  });
}

async function session(pact: Pact): Promise<void> {
  const loggingIn = { given: [ada], method: login };
  const answer = { ...tokens, user: user(ADA.email) };
  await ask(pact, { ...loggingIn, receiving: "a login", request: ADA, answer }, (response) =>
    assert.deepEqual([response.accessToken, response.expiresIn?.seconds], [EXAMPLE_TOKEN, 600n]),
  );
  const invalid = new Refusal(Code.Unauthenticated, "INVALID_CREDENTIALS");
  await ask(pact, {
    ...loggingIn,
    receiving: "a login with a wrong password",
    request: { ...ADA, password: "wrong horse battery" },
    answer: invalid,
  });
  const request = { refreshToken: fromState("refreshToken", REFRESH_TOKEN) };
  await ask(
    pact,
    { receiving: "a refresh", given: [loggedIn], method: refresh, request, answer: tokens },
    ({ refreshToken }) => assert.equal(refreshToken, REFRESH_TOKEN),
  );
  await ask(pact, {
    receiving: "a refresh with an unknown token",
    method: refresh,
    request: { refreshToken: "a-refresh-token-that-was-never-issued" },
    answer: invalid,
  });
  const me = { method: getMe, request: {} };
  const own = { given: [loggedIn], token: true, answer: user(Matchers.email(ADA.email)) };
  await ask(pact, { ...me, ...own, receiving: "a user who reads their account" }, (account) =>
    assert.equal(account.displayName, "Ada"),
  );
  await ask(pact, {
    ...me,
    receiving: "a read of an account without a token",
    answer: new Refusal(Code.Unauthenticated, "UNAUTHENTICATED"),
  });
}

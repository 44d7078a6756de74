import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { Role } from "@tercet/gen/common/v1/access";
import { SagaService } from "@tercet/gen/order/v1/saga_service";
import { PaymentStatus } from "@tercet/gen/payment/v1/payment_service";
import { type Api, createApi, logIn, type Stack } from "@tercet/stack";
import { exportJWK, generateKeyPair } from "jose";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { isLate, persistently } from "./calls.ts";
import { failure } from "./clients/failure.ts";
import { readSecrets, signToken, signTokenWith } from "./forged-token.ts";
import { patient } from "./patience.ts";
import { startTestStack, type TestFolder, testFolder } from "./stack.ts";
import { aTeapot } from "./teapots.ts";

const denied = { code: "permission_denied", reason: "PERMISSION_DENIED" };
const unauthenticated = { code: "unauthenticated", reason: "UNAUTHENTICATED" };
const invalidCredentials = { code: "unauthenticated", reason: "INVALID_CREDENTIALS" };

let folder: TestFolder;
let stack: Stack;
let clientSecret: string;

beforeAll(async () => {
  folder = await testFolder();
  stack = await startTestStack(folder);
  clientSecret = (await readSecrets(stack)).orderClientSecret;
});
afterAll(async () => {
  await stack?.[Symbol.asyncDispose]();
  await folder?.[Symbol.asyncDispose]();
});

const anybody = () => createApi(stack.urls.edge);
/** Identity itself: the edge does not route what is for services. */
const inside = () => createApi(stack.urls.identity);
const orderService = { clientId: "order", audience: "payment" };

/** A payment that the provider declines: no money moves. */
const charge = ({ payments }: Api) =>
  payments.processPayment({
    paymentId: crypto.randomUUID(),
    orderId: crypto.randomUUID(),
    customerId: crypto.randomUUID(),
    amount: { currencyCode: "EUR", minorUnits: 100n },
    paymentMethod: { token: "tok_declined" },
  });

describe("charging is for the order service", () => {
  test("which gets a token by its secret, good for Payment alone", async () => {
    const { accessToken } = await inside().identity.issueServiceToken({
      ...orderService,
      clientSecret,
    });
    expect((await charge(createApi(stack.urls.payment, accessToken))).status).toBe(
      PaymentStatus.DECLINED,
    );
    expect(await failure(createApi(stack.urls.order, accessToken).orders.listOrders({}))).toEqual(
      unauthenticated,
    );
    expect(await failure(createApi(stack.urls.identity, accessToken).identity.getMe({}))).toEqual(
      unauthenticated,
    );
  });

  test.each(["alice", "olivia", "admin"] as const)("and not for %s", async (name) => {
    expect(await failure(charge(await logIn(stack.urls.edge, stack.users[name])))).toEqual(denied);
  });

  test("nor for anybody without a token, through the edge or beside it", async () => {
    for (const url of [stack.urls.edge, stack.urls.payment])
      expect(await failure(charge(createApi(url)))).toEqual(unauthenticated);
  });

  test("a token for another service is refused by Payment", async () => {
    const elsewhere = await signToken(stack, { sub: "order", roles: ["service"], aud: "identity" });
    expect(await failure(charge(createApi(stack.urls.payment, elsewhere)))).toEqual(
      unauthenticated,
    );
    const here = await signToken(stack, { sub: "order", roles: ["service"], aud: "payment" });
    expect(await failure(charge(createApi(stack.urls.payment, here)))).toEqual({ code: "ok" });
  });

  test.each([
    ["a wrong secret", { clientSecret: "a-guess-that-is-long-enough" }, invalidCredentials],
    ["an unknown client", { clientId: "stranger" }, invalidCredentials],
    [
      "an audience that is not the client's",
      { audience: "identity" },
      { code: "permission_denied", reason: "AUDIENCE_NOT_ALLOWED" },
    ],
  ])("no token is issued for %s", async (_what, change, refusal) => {
    const request = { ...orderService, clientSecret, ...change };
    expect(await failure(inside().identity.issueServiceToken(request))).toEqual(refusal);
  });
});

describe("a token that Identity did not issue", () => {
  test.each(["identity", "order", "payment"] as const)("is refused by %s", async (service) => {
    const { user } = await anybody().identity.login(stack.users.alice);
    const claims = { sub: user?.id ?? "", roles: ["customer", "operator", "admin", "service"] };
    const [ours] = (await readSecrets(stack)).signingKeys.keys;
    const kid = ours?.kid ?? "";
    const theirs = {
      ...(await exportJWK((await generateKeyPair("ES256", { extractable: true })).privateKey)),
      kid,
    };
    const read = async (token: string) => {
      const api = createApi(stack.urls[service], token);
      const paymentId = crypto.randomUUID();
      return await failure(
        {
          identity: () => api.identity.getMe({}),
          order: () => api.orders.listOrders({}),
          payment: () => api.payments.getPayment({ paymentId }),
        }[service](),
      );
    };
    expect(await read(await signTokenWith(theirs, stack.urls.identity, claims))).toEqual(
      unauthenticated,
    );
    expect(
      await read(
        await signToken(
          { ...stack, urls: { ...stack.urls, identity: "http://elsewhere.test" } },
          claims,
        ),
      ),
    ).toEqual(unauthenticated);
    // The same token with a valid signature is accepted.
    expect((await read(await signToken(stack, claims))).reason).toBe(
      service === "payment" ? "NOT_FOUND" : undefined,
    );
  });
});

async function register() {
  const user = {
    email: `${crypto.randomUUID()}@example.com`,
    password: "correct horse battery",
    displayName: "Bob",
  };
  const request = { ...user, requestId: crypto.randomUUID() };
  return { ...user, id: (await anybody().identity.register(request)).id };
}

/** The call is refused 5 s from now at the latest. */
const refusedWithin = (call: () => Promise<unknown>) =>
  expect.poll(() => failure(call()), { timeout: patient(5_000) }).toEqual(unauthenticated);

describe("a revoked session", () => {
  test.each<[string, (api: Api, refreshToken: string) => Promise<unknown>]>([
    ["by a logout", (api, refreshToken) => api.identity.logout({ refreshToken })],
    ["by its user", (api) => api.identity.revokeAllSessions({})],
    [
      "by a reused refresh token",
      async (api, refreshToken) => {
        const next = await api.identity.refresh({ refreshToken });
        await api.identity.refresh({ refreshToken: next.refreshToken });
        await failure(api.identity.refresh({ refreshToken }));
      },
    ],
  ])("%s, is refused by every service within 5 s", async (_how, revoke) => {
    const user = await register();
    const { accessToken, refreshToken } = await anybody().identity.login(user);
    const api = createApi(stack.urls.edge, accessToken);
    const paymentId = crypto.randomUUID();
    expect(await failure(api.orders.listOrders({}))).toEqual({ code: "ok" });
    await revoke(api, refreshToken);
    await Promise.all([
      refusedWithin(() => api.orders.listOrders({})),
      refusedWithin(() => api.payments.getPayment({ paymentId })),
      refusedWithin(() => api.identity.getMe({})),
    ]);
  });

  test("ends the streams that it opened", async () => {
    const user = await register();
    const { accessToken, refreshToken } = await anybody().identity.login(user);
    const api = createApi(stack.urls.edge, accessToken);
    const [product] = (await api.catalog.listProducts({ pageSize: 1 })).products;
    // The provider never answers: the order stays as it is for minutes.
    const silent = aTeapot(product?.sku ?? "", "tok_timeout");
    const { id: orderId } = await persistently(
      () => api.orders.createOrder(silent, { timeoutMs: 1_000 }),
      isLate,
    );
    const watched = (async () => {
      let received = 0;
      for await (const _ of api.orders.watchOrder({ orderId })) {
        received += 1;
        if (received === 1) await api.identity.logout({ refreshToken });
      }
      return received;
    })();
    const started = performance.now();
    expect(await failure(watched)).toEqual(unauthenticated);
    expect(performance.now() - started).toBeLessThan(patient(6_000));
  });
});

describe("roles", () => {
  const sagas = async (url: string, name: "alice" | "olivia") => {
    const { accessToken } = await anybody().identity.login(stack.users[name]);
    const authorization = `Bearer ${accessToken}`;
    return createClient(SagaService, createGrpcTransport({ baseUrl: url })).listSagas(
      {},
      { headers: { authorization } },
    );
  };

  test("sagas are for operators", async () => {
    expect(await failure(sagas(stack.urls.order, "alice"))).toEqual(denied);
    expect(await failure(sagas(stack.urls.order, "olivia"))).toEqual({ code: "ok" });
  });

  test("sagas are for operators through the edge, too", async () => {
    const status = async (name: "alice" | "olivia") => {
      const { accessToken } = await anybody().identity.login(stack.users[name]);
      const response = await fetch(`${stack.urls.edge}/order.v1.SagaService/ListSagas`, {
        method: "POST",
        headers: { "content-type": "application/json", authorization: `Bearer ${accessToken}` },
        body: "{}",
      });
      return response.status;
    };
    expect([await status("alice"), await status("olivia")]).toEqual([403, 200]);
  });

  test("a role that the admin gives is in the next token, and in every service", async () => {
    const user = {
      email: `${crypto.randomUUID()}@example.com`,
      password: "correct horse battery",
      displayName: "Bob",
    };
    const { id: userId } = await anybody().identity.register({
      ...user,
      requestId: crypto.randomUUID(),
    });
    const before = await logIn(stack.urls.edge, user);
    expect(await failure(before.payments.listPayments({}))).toEqual(denied);
    const admin = await logIn(stack.urls.edge, stack.users.admin);
    await admin.identity.setRoles({
      userId,
      roles: [Role.OPERATOR],
      requestId: crypto.randomUUID(),
    });
    const after = await logIn(stack.urls.edge, user);
    expect(await failure(after.payments.listPayments({}))).toEqual({ code: "ok" });
    expect(await failure(after.orders.listOrders({}))).toEqual({ code: "ok" });
    await refusedWithin(() => before.payments.listPayments({}));
  });

  test("a role that the admin takes away is gone within 5 s, in every service", async () => {
    const user = await register();
    const roles = (...roles: Role[]) => ({
      userId: user.id,
      roles,
      requestId: crypto.randomUUID(),
    });
    const admin = await logIn(stack.urls.edge, stack.users.admin);
    await admin.identity.setRoles(roles(Role.OPERATOR));
    const operator = await logIn(stack.urls.edge, user);
    expect(await failure(operator.payments.listPayments({}))).toEqual({ code: "ok" });
    await admin.identity.setRoles(roles(Role.CUSTOMER));
    await Promise.all([
      refusedWithin(() => operator.payments.listPayments({})),
      refusedWithin(() => operator.orders.listOrders({})),
      refusedWithin(() => operator.identity.getMe({})),
    ]);
  });
});

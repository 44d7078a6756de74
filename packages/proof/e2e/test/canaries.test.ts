import type { DescMethod } from "@bufbuild/protobuf";
import { serviceEntry, serviceNames } from "@tercet/cli";
import { ourServices } from "@tercet/gateway";
import { IdentityService } from "@tercet/gen/identity/v1/identity";
import { CatalogService } from "@tercet/gen/order/v1/catalog_service";
import { OrderService } from "@tercet/gen/order/v1/order_service";
import { PaymentService } from "@tercet/gen/payment/v1/payment_service";
import type { Stack } from "@tercet/stack";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readSecrets, signToken } from "./forged-token.ts";
import { patient } from "./patience.ts";
import { allLogs, logLines } from "./service-log.ts";
import { startTestStack, type TestFolder, testFolder } from "./stack.ts";
import { type Json, textFields, withText } from "./text-fields.ts";

const SKU = "CANARY";
const EUR = { currencyCode: "EUR", minorUnits: "500" };
const CARD = "4111 1111 1111 1111";
/** Passes every rule for a word, the one for client ids too. */
const PASSWORD = "canary-password-of-somebody";
const PAYMENT_TOKEN = "tok_canary_5f3a";

let folder: TestFolder;
let stack: Stack;
let token: string;
let canaries: Readonly<Record<string, string>>;
beforeAll(async () => {
  folder = await testFolder();
  stack = await startTestStack(folder, { LOG_LEVEL: "trace" });
  const { alice } = stack.users;
  const login = (await (
    await call(methodOf(IdentityService, "Login"), { email: alice.email, password: alice.password })
  ).json()) as Json;
  token = await signToken(stack, {
    sub: crypto.randomUUID(),
    roles: ["customer", "operator", "admin", "service"],
  });
  canaries = {
    card: CARD,
    "card without spaces": CARD.replaceAll(" ", ""),
    password: PASSWORD,
    "payment token": PAYMENT_TOKEN,
    "access token": String(login["accessToken"]),
    "refresh token": String(login["refreshToken"]),
    "client secret": (await readSecrets(stack)).orderClientSecret,
    "password of the seed": alice.password,
  };
  await call(methodOf(CatalogService, "PutProduct"), { product: product(), requestId: id() });
});
afterAll(async () => {
  await stack?.[Symbol.asyncDispose]();
  await folder?.[Symbol.asyncDispose]();
});

const id = () => crypto.randomUUID();
const product = () => ({ sku: SKU, name: "Canary", price: EUR, stock: "1000" });
const payment = () => ({
  paymentId: id(),
  orderId: id(),
  customerId: id(),
  amount: EUR,
  paymentMethod: { token: "tok_visa" },
});

/** A valid request of each method; one field at a time is replaced. */
const requests: Readonly<Record<string, () => Json | Promise<Json>>> = {
  Register: () => ({
    email: `${id()}@example.com`,
    password: "correct horse",
    displayName: "Ada",
    requestId: id(),
  }),
  Login: () => ({ email: `${id()}@example.com`, password: "wrong horse" }),
  Refresh: () => ({ refreshToken: "nothing-that-was-issued" }),
  Logout: () => ({ refreshToken: "nothing-that-was-issued" }),
  GetMe: () => ({}),
  ChangePassword: () => ({ currentPassword: "wrong horse", newPassword: "correct horse" }),
  ListSessions: () => ({}),
  RevokeSession: () => ({ sessionId: id() }),
  RevokeAllSessions: () => ({}),
  IssueServiceToken: () => ({
    clientId: "order",
    clientSecret: "wrong-but-long-enough",
    audience: "payment",
  }),
  ListUsers: () => ({}),
  SetRoles: () => ({ userId: id(), roles: ["ROLE_CUSTOMER"], requestId: id() }),
  DisableUser: () => ({ userId: id(), requestId: id(), reason: "left the company" }),
  EnableUser: () => ({ userId: id(), requestId: id() }),
  IssuePasswordReset: () => ({ userId: id() }),
  ResetPassword: () => ({ resetToken: "nothing-that-was-issued", newPassword: "correct horse" }),
  ListProducts: () => ({}),
  PutProduct: () => ({ product: product(), requestId: id() }),
  AdjustStock: () => ({ sku: SKU, delta: "1", requestId: id() }),
  CreateOrder: () => order("tok_visa"),
  GetOrder: () => ({ orderId: id() }),
  ListOrders: () => ({}),
  CancelOrder: async () => ({
    orderId: await placed("tok_visa"),
    requestId: id(),
    reason: "changed my mind",
  }),
  WatchOrder: () => ({ orderId: id() }),
  ListSagas: () => ({}),
  GetSaga: () => ({ sagaId: id() }),
  RetrySaga: () => ({ sagaId: id(), requestId: id() }),
  CompensateSaga: () => ({ sagaId: id(), requestId: id(), reason: "too late" }),
  ResolveSaga: () => ({
    sagaId: id(),
    requestId: id(),
    outcome: "SAGA_RESOLUTION_OUTCOME_SETTLED_OUTSIDE",
    reference: "transfer 4711",
    reason: "refunded by bank transfer",
  }),
  ProcessPayment: payment,
  RefundPayment: async () => {
    const charge = payment();
    await call(methodOf(PaymentService, "ProcessPayment"), charge);
    return { paymentId: charge.paymentId, refundId: id(), reason: "returned" };
  },
  GetPayment: () => ({ paymentId: id() }),
  ListPayments: () => ({}),
  ListRefundedPayments: () => ({}),
};
const methods = (await ourServices()).flatMap((service): DescMethod[] => service.methods);

const order = (paymentToken: string): Json => ({
  requestId: id(),
  items: [{ sku: SKU, quantity: 1 }],
  paymentMethod: { token: paymentToken },
});

async function placed(paymentToken: string): Promise<string> {
  const answer = await call(methodOf(OrderService, "CreateOrder"), order(paymentToken));
  return String(((await answer.json()) as Json)["id"]);
}

function methodOf(
  { methods }: { readonly methods: readonly DescMethod[] },
  name: string,
): DescMethod {
  const method = methods.find((one) => one.name === name);
  if (method === undefined) throw new Error(`there is no method ${name}`);
  return method;
}

const serviceOf = ({ parent }: DescMethod) =>
  serviceNames.find((name) => serviceEntry(name).protoServices.includes(parent.typeName)) ??
  "order";

/** Calls with Connect's JSON. A stream's response is an envelope. */
function call(
  method: DescMethod,
  body: Json | string,
  headers: Record<string, string> = {},
): Promise<Response> {
  const text = Buffer.from(typeof body === "string" ? body : JSON.stringify(body));
  const streams = method.methodKind !== "unary";
  const length = Buffer.from([0, 0, 0, text.length >> 8, text.length & 255]);
  return fetch(`${stack.urls[serviceOf(method)]}/${method.parent.typeName}/${method.name}`, {
    method: "POST",
    headers: {
      "content-type": streams ? "application/connect+json" : "application/json",
      "connect-timeout-ms": String(patient(5_000)),
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...headers,
    },
    body: streams ? Buffer.concat([length, text]) : text,
  });
}

/** The lines of all logs that contain the text, each with its file. */
async function found(text: string): Promise<string[]> {
  const logs = await allLogs(stack);
  return [...logs].flatMap(([name, log]) =>
    log
      .split("\n")
      .filter((line) => line.includes(text))
      .map((line) => `${name}: ${line}`),
  );
}

test("every method has a request here", () => {
  expect(Object.keys(requests).sort()).toEqual(methods.map(({ name }) => name).sort());
});

test("a secret in any text field, or in place of a message, is in no log at trace", async () => {
  const outcomes = new Map<number, number>();
  const send = async (...given: Parameters<typeof call>) => {
    const answer = await call(...given);
    await answer.arrayBuffer();
    outcomes.set(answer.status, (outcomes.get(answer.status) ?? 0) + 1);
  };
  for (const method of methods) {
    const request = requests[method.name] ?? (() => ({}));
    for (const canary of Object.values(canaries)) {
      for (const path of textFields(method.input))
        await send(method, withText(await request(), path, canary));
      await send(method, `{"${canary}": "${canary}`);
      await send(method, { [canary]: canary });
      await send(method, await request(), { authorization: `Bearer ${canary}` });
      await send(method, await request(), { authorization: canary, cookie: canary });
    }
  }
  // Many succeeded and many were refused: both are logged.
  expect(outcomes.get(200)).toBeGreaterThan(100);
  expect(outcomes.get(400)).toBeGreaterThan(100);
  expect(outcomes.get(401)).toBeGreaterThan(100);
  expect(outcomes.get(500)).toBeUndefined();
  const asked = [...outcomes.values()].reduce((sum, count) => sum + count, 0);
  const logged = (await Promise.all(serviceNames.map((name) => logLines(stack, name))))
    .flat()
    .filter(({ msg }) => msg === "call");
  expect(logged.length).toBeGreaterThan(asked / 3);
  const leaks = await Promise.all(
    Object.entries(canaries).map(async ([name, canary]) => [name, await found(canary)]),
  );
  expect(Object.fromEntries(leaks)).toEqual(
    Object.fromEntries(Object.keys(canaries).map((name) => [name, []])),
  );
});

import { type DescMethod, getOption } from "@bufbuild/protobuf";
import { serviceEntry, serviceNames } from "@tercet/cli";
import { ourServices } from "@tercet/gateway";
import { access } from "@tercet/gen/common/v1/access";
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

type Caller = "customer" | "operator" | "admin" | "service";

const callers: readonly Caller[] = ["customer", "operator", "admin", "service"];

/** Who may call each method: written out, so that a change of a contract shows here. */
const mayCall: Readonly<Record<string, "public" | readonly Caller[]>> = {
  Register: "public",
  Login: "public",
  Refresh: "public",
  Logout: "public",
  GetMe: callers,
  ChangePassword: callers,
  ListSessions: callers,
  RevokeSession: callers,
  RevokeAllSessions: callers,
  IssueServiceToken: "public",
  ListUsers: ["admin"],
  SetRoles: ["admin"],
  DisableUser: ["admin"],
  EnableUser: ["admin"],
  IssuePasswordReset: ["admin"],
  ResetPassword: "public",
  ListProducts: "public",
  PutProduct: ["operator"],
  AdjustStock: ["operator"],
  CreateOrder: ["customer"],
  GetOrder: ["customer", "operator"],
  ListOrders: ["customer", "operator"],
  CancelOrder: ["customer", "operator"],
  WatchOrder: ["customer", "operator"],
  ListSagas: ["operator"],
  GetSaga: ["operator"],
  RetrySaga: ["operator"],
  CompensateSaga: ["operator"],
  ResolveSaga: ["operator"],
  ProcessPayment: ["service"],
  RefundPayment: ["operator", "service"],
  GetPayment: ["customer", "operator", "service"],
  ListPayments: ["operator"],
  ListRefundedPayments: ["service"],
};

/** Makes something that belongs to the caller, and returns its id; by the field that names it. */
const owned: Readonly<Record<string, (owner: Record<string, string>) => Promise<unknown>>> = {
  orderId: async (owner) => (await made("CreateOrder", owner))["id"],
  paymentId: async (owner) => (await made("CreateOrder", owner))["paymentId"],
};

/** The methods for owners that name what is asked for, each with the field. */
const ownersMethods = () =>
  methods.flatMap((method) => {
    const field = method.input.fields.find(({ jsonName }) => /^(?!request).*Id$/.test(jsonName));
    if (!getOption(method, access).owner || field === undefined) return [];
    // A list is filtered by ids, and shows what is its caller's.
    return method.name.startsWith("List") ? [] : [[method, field.jsonName] as const];
  });

const made = async (name: string, owner: Record<string, string>): Promise<Json> => {
  const method = methods.find((one) => one.name === name) as DescMethod;
  return (await (await call(method, (await requests[name]?.()) ?? {}, owner)).json()) as Json;
};

const bearer = async (role: Caller, sub: string = id()) => ({
  authorization: `Bearer ${await signToken(stack, { sub, roles: [role] })}`,
});

/** The code of an error, `ok` if there is none. An error of a stream is in its last envelope. */
const codeOf = async (answer: Response): Promise<string> =>
  /"code":"(\w+)"/.exec(await answer.text())?.[1] ?? "ok";

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

test("every method has a request here, and callers", () => {
  const names = methods.map(({ name }) => name).sort();
  expect(Object.keys(requests).sort()).toEqual(names);
  expect(Object.keys(mayCall).sort()).toEqual(names);
  expect(Object.keys(owned).sort()).toEqual(
    [...new Set(ownersMethods().map(([, id]) => id))].sort(),
  );
});

test("every method refuses those who may not call it", async () => {
  for (const method of methods) {
    const allowed = mayCall[method.name];
    if (allowed === "public") continue;
    expect([method.name, await codeOf(await call(method, {}, { authorization: "" }))]).toEqual([
      method.name,
      "unauthenticated",
    ]);
    for (const role of callers) {
      const code = await codeOf(await call(method, {}, await bearer(role)));
      expect([method.name, role, code === "permission_denied"]).toEqual([
        method.name,
        role,
        !allowed?.includes(role),
      ]);
    }
  }
});

test("what belongs to another customer is answered as if it did not exist", async () => {
  const owner = await bearer("customer");
  const another = await bearer("customer");
  for (const [method, field] of ownersMethods()) {
    const own = String(await owned[field]?.(owner));
    const answer = async (value: string, caller: Record<string, string>) => {
      const request = { ...(await requests[method.name]?.()), [field]: value };
      const response = await call(method, request, { ...caller, "x-correlation-id": "the-same" });
      return `${response.status} ${(await response.text()).replaceAll(value, "")}`;
    };
    const foreign = await answer(own, another);
    expect(foreign).toContain('"not_found"');
    expect(foreign).toBe(await answer(id(), another));
    if (method.methodKind === "unary") expect(await answer(own, owner)).toMatch(/^200 /);
  }
});

test("every method with an idempotency key refuses a request without a valid one", async () => {
  const keyed = methods.filter(({ input }) => input.field["requestId"] !== undefined);
  expect(keyed.length).toBeGreaterThan(8);
  for (const method of keyed) {
    const request = (await requests[method.name]?.()) ?? {};
    for (const requestId of [undefined, "", "7", "x".repeat(300), `${id()}\n`]) {
      const answer = await call(method, { ...request, requestId });
      expect([method.name, requestId, await codeOf(answer)]).toEqual([
        method.name,
        requestId,
        "invalid_argument",
      ]);
    }
  }
});

test("what a customer may not set is ignored: price, total, status, owner, roles", async () => {
  const sub = id();
  const fields = {
    status: "ORDER_STATUS_REFUNDED",
    customerId: id(),
    total: { ...EUR, minorUnits: "1" },
  };
  const created = await call(
    methodOf(OrderService, "CreateOrder"),
    { ...order("tok_visa"), ...fields, price: "1" },
    await bearer("customer", sub),
  );
  expect(await created.json()).toMatchObject({ customerId: sub, total: EUR });
  const registered = await call(
    methodOf(IdentityService, "Register"),
    { ...(await requests["Register"]?.()), roles: ["ROLE_ADMIN"], id: sub },
    { authorization: "" },
  );
  const user = (await registered.json()) as Json;
  expect(user["roles"]).toEqual(["ROLE_CUSTOMER"]);
  expect(user["id"]).not.toBe(sub);
});

test("text in any field makes no line of a log, and no long one", async () => {
  const line = '{"level":"error","msg":"forged"}';
  const texts = [`\n${line}\n`, `\r\n${line}`, `\u001b[2J\u009b${line}`, "x".repeat(10_000)];
  for (const method of methods)
    for (const path of textFields(method.input))
      for (const text of texts) {
        const request = withText((await requests[method.name]?.()) ?? {}, path, text);
        await (await call(method, request)).arrayBuffer();
      }
  for (const name of serviceNames) {
    const log = (await allLogs(stack)).get(`${name}.log`) ?? "";
    const lines = log.split("\n").slice(0, -1);
    expect(lines.length).toBeGreaterThan(20);
    expect(lines.filter((text) => JSON.parse(text).msg === "forged")).toEqual([]);
    expect(lines.filter((text) => text.length > 8_000).map((text) => text.slice(0, 300))).toEqual(
      [],
    );
  }
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

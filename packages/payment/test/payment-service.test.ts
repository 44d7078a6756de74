import { mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Client, Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import {
  PaymentService,
  PaymentStatus,
  RefundStatus,
} from "@tercet/gen/payment/v1/payment_service";
import { createLogger, reasonOf, type Service } from "@tercet/service";
import {
  type TestDatabase,
  type TestTokens,
  testDatabase,
  testTokens,
} from "@tercet/service/testing";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { createPaymentService, envToConfig, readBook } from "../src/index.ts";

const PROVIDER_TIMEOUT_MS = Math.ceil(200 * inject("timeFactor"));

type PaymentClient = Client<typeof PaymentService>;

const uuid = () => crypto.randomUUID();
const EUR = (minorUnits: bigint) => ({ currencyCode: "EUR", minorUnits });
const alice = uuid();
const lines: string[] = [];
let database: TestDatabase;
let tokens: TestTokens;
let bookDir: string;
let service: Service;
let client: PaymentClient;

async function as(
  role: string,
  sub: string = uuid(),
): Promise<{ headers: Record<string, string> }> {
  return { headers: { authorization: `Bearer ${await tokens.sign({ sub, roles: [role] })}` } };
}
const asOrder = () => as("service", "order");
const aRequest = (change = {}) => ({
  paymentId: uuid(),
  orderId: uuid(),
  customerId: alice,
  amount: EUR(1_999n),
  paymentMethod: { token: "tok_visa" },
  ...change,
});

/** What the caller of a failed call sees. */
async function failure(
  call: Promise<unknown>,
): Promise<{ code: string; reason: string | undefined }> {
  const error = await call.then(
    () => expect.unreachable("the call succeeded"),
    (failed: unknown) => ConnectError.from(failed),
  );
  return { code: Code[error.code], reason: reasonOf(error) };
}

async function replayed(call: (options: object) => Promise<unknown>): Promise<string | null> {
  let header: string | null = null;
  await call({
    onHeader: (headers: Headers) => {
      header = headers.get("idempotent-replayed");
    },
  });
  return header;
}

/** A process of the service: on the one database and the one book. */
async function startService(): Promise<Service> {
  const env = {
    HOST: "127.0.0.1",
    PORT: "0",
    CALLER_CALLS_PER_SECOND: "0",
    ADDRESS_CALLS_PER_SECOND: "0",
    MIN_WORKING_CALLS: "1000",
    TOKEN_ISSUER: tokens.issuer,
    DATABASE_URL: database.url,
    PROVIDER_BOOK_DIR: bookDir,
  };
  const fast = {
    PROVIDER_TIMEOUT_MS: String(PROVIDER_TIMEOUT_MS),
    RECONCILE_AFTER_MS: String(2 * PROVIDER_TIMEOUT_MS),
    ABANDON_AFTER_MS: String(2 * PROVIDER_TIMEOUT_MS),
    RECONCILE_INTERVAL_MS: "50",
  };
  const config = envToConfig({ ...env, ...fast, JWKS_URL: "http://unused.test" });
  const log = createLogger(
    { name: "payment", level: "debug" },
    { write: (line) => lines.push(line) },
  );
  return await createPaymentService(config, { keys: tokens.keys, log });
}

const clientOf = ({ url }: Service): PaymentClient =>
  createClient(
    PaymentService,
    createConnectTransport({ baseUrl: url, httpVersion: "1.1", useBinaryFormat: true }),
  );

beforeAll(async () => {
  database = await testDatabase();
  tokens = await testTokens();
  bookDir = await mkdtemp(join(tmpdir(), "payment-service-"));
  service = await startService();
  client = clientOf(service);
});
afterAll(async () => {
  await service?.[Symbol.asyncDispose]();
  await database?.[Symbol.asyncDispose]();
  if (bookDir !== undefined) await rm(bookDir, { recursive: true });
});

describe("who may call", () => {
  test.each(["customer", "operator", "admin"])("a %s may not charge", async (role) => {
    expect(await failure(client.processPayment(aRequest(), await as(role)))).toEqual({
      code: "PermissionDenied",
      reason: "PERMISSION_DENIED",
    });
  });

  test("a customer may neither refund nor list", async () => {
    const refund = client.refundPayment(
      { paymentId: uuid(), refundId: uuid() },
      await as("customer"),
    );
    expect((await failure(refund)).code).toBe("PermissionDenied");
    expect((await failure(client.listPayments({}, await as("customer")))).code).toBe(
      "PermissionDenied",
    );
    expect((await failure(client.listPayments({}, await asOrder()))).code).toBe("PermissionDenied");
  });

  test("a call without a token is refused", async () => {
    expect((await failure(client.getPayment({ paymentId: uuid() }))).code).toBe("Unauthenticated");
  });

  test("customers see their own payments; another's returns not_found", async () => {
    const { id } = await client.processPayment(aRequest(), await asOrder());
    expect((await client.getPayment({ paymentId: id }, await as("customer", alice))).id).toBe(id);
    const another = await failure(client.getPayment({ paymentId: id }, await as("customer")));
    const missing = await failure(client.getPayment({ paymentId: uuid() }, await as("customer")));
    expect(another).toEqual({ code: "NotFound", reason: "NOT_FOUND" });
    expect(another).toEqual(missing);
    expect((await client.getPayment({ paymentId: id }, await as("operator"))).id).toBe(id);
    expect((await client.getPayment({ paymentId: id }, await asOrder())).id).toBe(id);
  });

  test("a tombstone belongs to no customer", async () => {
    const paymentId = uuid();
    await client.refundPayment({ paymentId, refundId: uuid() }, await asOrder());
    expect((await failure(client.getPayment({ paymentId }, await as("customer")))).code).toBe(
      "NotFound",
    );
    expect((await client.getPayment({ paymentId }, await as("operator"))).status).toBe(
      PaymentStatus.VOIDED,
    );
  });
});

describe("charging", () => {
  test("returns the payment and its audit trail", async () => {
    const request = aRequest();
    const payment = await client.processPayment(request, await asOrder());
    expect(payment).toMatchObject({
      id: request.paymentId,
      orderId: request.orderId,
      customerId: alice,
      status: PaymentStatus.SUCCEEDED,
    });
    expect(payment).toMatchObject({ amount: EUR(1_999n), refunded: EUR(0n), refunds: [] });
    expect(payment.declineReason).toBeUndefined();
    expect(payment.events.map(({ type }) => type)).toEqual([
      "CHARGE_REQUESTED",
      "CHARGE_SUCCEEDED",
    ]);
    expect(payment.providerReference).toMatch(/^ch_/);
  });

  test("a decline is a result, not an error", async () => {
    const request = aRequest({ amount: EUR(100_000n) });
    const payment = await client.processPayment(request, await asOrder());
    expect(payment).toMatchObject({
      status: PaymentStatus.DECLINED,
      declineReason: "LIMIT_EXCEEDED",
    });
    expect(payment.providerReference).toBeUndefined();
  });

  test("the same request twice is one charge, the second marked as replayed", async () => {
    const request = aRequest();
    const options = await asOrder();
    const call = (more: object) => client.processPayment(request, { ...options, ...more });
    expect(await replayed(call)).toBeNull();
    expect(await replayed(call)).toBe("true");
    expect((await readBook(bookDir)).filter(({ key }) => key === request.paymentId)).toHaveLength(
      1,
    );
  });

  test.each([2, 50])(
    "the same request %i times at once, at two replicas, is one charge; each call returns it or fails as retryable",
    async (times) => {
      await using replica = await startService();
      const request = aRequest();
      const options = await asOrder();
      const clients = [client, clientOf(replica)];
      const answers = await Promise.allSettled(
        Array.from({ length: times }, (_, n) => clients[n % 2]?.processPayment(request, options)),
      );
      const codes = answers.map((answer) =>
        answer.status === "rejected" ? Code[ConnectError.from(answer.reason).code] : "ok",
      );
      expect(
        codes.filter((code) => code !== "ok" && code !== "Aborted" && code !== "Unavailable"),
      ).toEqual([]);
      expect(codes).toContain("ok");
      for (const each of clients)
        expect(await each.processPayment(request, options)).toMatchObject({
          status: PaymentStatus.SUCCEEDED,
        });
      expect((await readBook(bookDir)).filter(({ key }) => key === request.paymentId)).toHaveLength(
        1,
      );
    },
  );

  test("that is repeated after the refund returns REFUNDED and charges nothing", async () => {
    const request = aRequest();
    const { paymentId } = request;
    await client.processPayment(request, await asOrder());
    await client.refundPayment(
      { paymentId, refundId: uuid(), reason: "cancelled" },
      await asOrder(),
    );
    expect(await client.processPayment(request, await asOrder())).toMatchObject({
      status: PaymentStatus.REFUNDED,
    });
    expect(
      (await readBook(bookDir))
        .filter(({ key }) => key.startsWith(paymentId))
        .map(({ kind }) => kind),
    ).toEqual(["charge", "refund"]);
  });

  test("an id in upper case is the same id, and is shown in lower case", async () => {
    const request = aRequest();
    const { paymentId, orderId, customerId } = request;
    const upper = {
      paymentId: paymentId.toUpperCase(),
      orderId: orderId.toUpperCase(),
      customerId: customerId.toUpperCase(),
    };
    const charged = await client.processPayment({ ...request, ...upper }, await asOrder());
    expect(charged).toMatchObject({ id: paymentId, orderId, customerId });
    expect(await client.processPayment(request, await asOrder())).toEqual(charged);
    const refund = { paymentId, refundId: uuid(), amount: EUR(1n) };
    await client.refundPayment(refund, await asOrder());
    const again = { paymentId: upper.paymentId, refundId: refund.refundId.toUpperCase() };
    const refunded = await client.refundPayment({ ...refund, ...again }, await asOrder());
    expect(refunded.refunds).toMatchObject([{ id: refund.refundId, amount: EUR(1n) }]);
    expect(await client.getPayment({ paymentId: upper.paymentId }, await asOrder())).toEqual(
      refunded,
    );
  });

  test.each([
    "pm_1NvQ8a2eZvKYlo2CQ8a2eZvK",
    "cnon:CBASEFtd-x9PLqJ0",
    `8f14e45f.${"Ab1-".repeat(60)}`,
  ])("the token %s of a provider is accepted", async (token) => {
    const charged = client.processPayment(
      { ...aRequest(), paymentMethod: { token } },
      await asOrder(),
    );
    // The simulator declines a token that it does not know.
    expect((await charged).declineReason).toBe("CARD_DECLINED");
  });

  test.each(["4111111111111111", "4111-1111-1111-1111", "pm_with space", `pm_${"x".repeat(253)}`])(
    "%s is no token",
    async (token) => {
      const refused = client.processPayment(
        { ...aRequest(), paymentMethod: { token } },
        await asOrder(),
      );
      expect(await failure(refused)).toEqual({ code: "InvalidArgument", reason: "INVALID_FIELD" });
    },
  );

  test.each([
    ["amount", { amount: EUR(2_000n) }],
    ["currency", { amount: { currencyCode: "USD", minorUnits: 1_999n } }],
    ["order", { orderId: uuid() }],
    ["token", { paymentMethod: { token: "tok_slow" } }],
  ])("the same id with another %s is refused", async (_, change) => {
    const request = aRequest();
    await client.processPayment(request, await asOrder());
    const again = client.processPayment({ ...request, ...change }, await asOrder());
    expect(await failure(again)).toEqual({ code: "InvalidArgument", reason: "REQUEST_ID_REUSED" });
  });

  test.each([
    ["no amount", { amount: undefined }],
    ["nothing", { amount: EUR(0n) }],
    ["less than nothing", { amount: EUR(-1n) }],
    ["no payment method", { paymentMethod: undefined }],
    ["a card number", { paymentMethod: { token: "4111111111111111" } }],
    ["no id", { paymentId: "" }],
    ["an id that is a query", { paymentId: '{"$gt":""}' }],
  ])("a request with %s is refused", async (_, change) => {
    expect(await failure(client.processPayment(aRequest(change), await asOrder()))).toEqual({
      code: "InvalidArgument",
      reason: "INVALID_FIELD",
    });
  });

  test("an unknown outcome is reported as such, and settled without a retry", async () => {
    const request = aRequest({ paymentMethod: { token: "tok_timeout_then_success" } });
    expect(await failure(client.processPayment(request, await asOrder()))).toEqual({
      code: "Unavailable",
      reason: "PROVIDER_UNAVAILABLE",
    });
    const options = await asOrder();
    const status = async () =>
      (await client.getPayment({ paymentId: request.paymentId }, options)).status;
    await expect.poll(status).toBe(PaymentStatus.SUCCEEDED);
  });

  test("a caller who goes away does not cut off what is recorded", async () => {
    const request = aRequest({ paymentMethod: { token: "tok_timeout_then_success" } });
    const options = await asOrder();
    await failure(client.processPayment(request, { ...options, signal: AbortSignal.timeout(60) }));
    const status = async () =>
      (await client.getPayment({ paymentId: request.paymentId }, options)).status;
    await expect.poll(status).toBe(PaymentStatus.SUCCEEDED);
  });
});

describe("refunding", () => {
  const charged = async () => client.processPayment(aRequest(), await asOrder());

  test("in parts, then the rest, and once for each id", async () => {
    const { id: paymentId } = await charged();
    const options = await asOrder();
    const part = { paymentId, refundId: uuid(), amount: EUR(999n), reason: "scratched" };
    expect((await client.refundPayment(part, options)).status).toBe(
      PaymentStatus.PARTIALLY_REFUNDED,
    );
    expect(await replayed((more) => client.refundPayment(part, { ...options, ...more }))).toBe(
      "true",
    );
    const all = await client.refundPayment({ paymentId, refundId: uuid() }, await as("operator"));
    expect(all).toMatchObject({ status: PaymentStatus.REFUNDED, refunded: EUR(1_999n) });
    expect(all.refunds).toMatchObject([
      { id: part.refundId, amount: EUR(999n), status: RefundStatus.SUCCEEDED, reason: "scratched" },
      { amount: EUR(1_000n), status: RefundStatus.SUCCEEDED },
    ]);
    const back = (await readBook(bookDir)).filter(
      (entry) => entry.kind === "refund" && entry.chargeKey === paymentId,
    );
    expect(back.map(({ amount }) => amount.minorUnits)).toEqual([999n, 1_000n]);
  });

  test("more than was charged is refused", async () => {
    const { id: paymentId } = await charged();
    const call = client.refundPayment(
      { paymentId, refundId: uuid(), amount: EUR(2_000n) },
      await asOrder(),
    );
    expect(await failure(call)).toEqual({
      code: "FailedPrecondition",
      reason: "REFUND_EXCEEDS_CAPTURE",
    });
  });

  test("another currency is refused", async () => {
    const { id: paymentId } = await charged();
    const amount = { currencyCode: "USD", minorUnits: 1n };
    const call = client.refundPayment({ paymentId, refundId: uuid(), amount }, await asOrder());
    expect(await failure(call)).toEqual({ code: "InvalidArgument", reason: "CURRENCY_MISMATCH" });
  });

  test("before the charge leaves a tombstone, and the charge is refused", async () => {
    const request = aRequest();
    const { paymentId } = request;
    const voided = await client.refundPayment(
      { paymentId, refundId: uuid(), reason: "cancelled" },
      await asOrder(),
    );
    expect(voided).toMatchObject({
      id: paymentId,
      status: PaymentStatus.VOIDED,
      orderId: "",
      customerId: "",
    });
    expect(voided.amount).toBeUndefined();
    expect(await failure(client.processPayment(request, await asOrder()))).toEqual({
      code: "FailedPrecondition",
      reason: "PAYMENT_VOIDED",
    });
    expect((await readBook(bookDir)).filter(({ key }) => key === paymentId)).toEqual([]);
  });

  test("while the outcome of the charge is unknown is refused, until the charge is abandoned", async () => {
    const request = aRequest({ paymentMethod: { token: "tok_timeout" } });
    const refund = { paymentId: request.paymentId, refundId: uuid() };
    const options = await asOrder();
    await failure(client.processPayment(request, options));
    expect(await failure(client.refundPayment(refund, options))).toEqual({
      code: "Aborted",
      reason: "PAYMENT_IN_PROGRESS",
    });
    const status = async () =>
      (await client.refundPayment(refund, options).catch(() => undefined))?.status;
    await expect.poll(status).toBe(PaymentStatus.DECLINED);
  });
});

describe("listing", () => {
  test("pages through all payments, newest first, and filters", async () => {
    const customerId = uuid();
    const made: string[] = [];
    for (const token of ["tok_visa", "tok_declined", "tok_visa"]) {
      const { id } = await client.processPayment(
        aRequest({ customerId, paymentMethod: { token } }),
        await asOrder(),
      );
      made.unshift(id);
    }
    const options = await as("operator");
    const seen: string[] = [];
    let pageToken = "";
    do {
      const page = await client.listPayments({ customerId, pageSize: 2, pageToken }, options);
      expect(page.payments.length).toBeLessThanOrEqual(2);
      expect(page.payments.every(({ events }) => events.length === 0)).toBe(true);
      seen.push(...page.payments.map(({ id }) => id));
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
    expect(seen).toEqual(made);
    const declined = await client.listPayments(
      { customerId, status: PaymentStatus.DECLINED },
      options,
    );
    expect(declined.payments.map(({ id }) => id)).toEqual([made[1]]);
  });

  test("a forged page token is refused", async () => {
    const call = client.listPayments({ pageToken: "bm90LWEtdG9rZW4" }, await as("operator"));
    expect(await failure(call)).toEqual({ code: "InvalidArgument", reason: "INVALID_FIELD" });
  });
});

test("gRPC speaks to the same port", async () => {
  const grpc = createClient(PaymentService, createGrpcTransport({ baseUrl: service.url }));
  const { id } = await grpc.processPayment(aRequest(), await asOrder());
  expect((await grpc.getPayment({ paymentId: id }, await asOrder())).id).toBe(id);
});

test("the service reports that it is ready", async () => {
  expect((await fetch(`${service.url}/health/ready`)).status).toBe(200);
});

/**
 * A file in place of the folder: unlike permissions, this stops root too, as whom tests may run.
 */
test("the service is not ready, and names the provider, while the provider's book cannot be written", async () => {
  const aside = `${bookDir}.aside`;
  const readiness = async () => {
    const response = await fetch(`${service.url}/health/ready`);
    return { status: response.status, report: await response.json() };
  };
  await rename(bookDir, aside);
  await writeFile(bookDir, "");
  try {
    await expect
      .poll(readiness, { timeout: 10_000 })
      .toMatchObject({ status: 503, report: { dependencies: { provider: "down" } } });
    const down = lines.find((line) => line.includes("dependency is down")) ?? "";
    expect(down).toContain("ENOTDIR");
  } finally {
    await rm(bookDir);
    await rename(aside, bookDir);
  }
  await expect
    .poll(readiness, { timeout: 10_000 })
    .toMatchObject({ status: 200, report: { dependencies: { provider: "up" } } });
});

test("no payment token was logged", () => {
  expect(lines.length).toBeGreaterThan(10);
  expect(lines.join("")).not.toContain("tok_");
});

import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { ErrorInfoSchema } from "@tercet/gen/common/v1/error";
import { CatalogService } from "@tercet/gen/order/v1/catalog_service";
import { OrderService, OrderStatus } from "@tercet/gen/order/v1/order_service";
import { SagaOutcome } from "@tercet/gen/order/v1/saga_event";
import { SagaService, SagaState } from "@tercet/gen/order/v1/saga_service";
import { PaymentStatus } from "@tercet/gen/payment/v1/payment_service";
import { reasonOf } from "@tercet/service";
import { v7 as uuidv7 } from "uuid";
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { PLACE_ORDER, sagaPaths } from "../src/index.ts";
import { startOrderService, unsettled, wanted } from "./harness.ts";

const [alice, bob, olivia] = [uuidv7(), uuidv7(), uuidv7()];
let service: Awaited<ReturnType<typeof startOrderService>>;
let participant: typeof service.participant;

beforeAll(async () => {
  service = await startOrderService({ REFUND_FEED_INTERVAL_MS: "50" });
  participant = service.participant;
});
afterAll(() => service?.[Symbol.asyncDispose]());
beforeEach(() => participant.behave("works"));

const as: typeof service.as = (...caller) => service.as(...caller);
const orders = (sub = alice, role = "customer") => as(OrderService, sub, role);
const sagas = () => as(SagaService, olivia, "operator");
const EUR = { currencyCode: "EUR", minorUnits: 500n };
/** The largest total of an order. */
const LIMIT = 1_000_000_000_000n;
async function putProduct(sku: string, price: typeof EUR): Promise<void> {
  const catalog = await as(CatalogService, olivia, "operator");
  const product = { sku, name: sku, price, stock: 100n };
  await catalog.putProduct({ requestId: crypto.randomUUID(), product });
}
async function failure(
  call: Promise<unknown>,
): Promise<{ code: string; reason: string | undefined }> {
  const error = await call.then(() => undefined, ConnectError.from);
  return {
    code: error === undefined ? "ok" : (Code[error.code] ?? ""),
    reason: error && reasonOf(error),
  };
}

describe("the catalog", () => {
  test("is listed page by page without a token", async () => {
    const anonymous = createClient(
      CatalogService,
      createConnectTransport({ baseUrl: service.url, httpVersion: "1.1", useHttpGet: true }),
    );
    const first = await anonymous.listProducts({ pageSize: 1 });
    const second = await anonymous.listProducts({ pageSize: 1, pageToken: first.nextPageToken });
    expect([first.products[0]?.sku, second.products[0]?.sku]).toEqual(["RARE", "TEA"]);
    expect(second.nextPageToken).toBe("");
  });

  test("is changed by operators only", async () => {
    const catalog = await as(CatalogService, alice, "customer");
    expect(
      await failure(catalog.adjustStock({ sku: "TEA", delta: 1n, requestId: crypto.randomUUID() })),
    ).toMatchObject({
      code: "PermissionDenied",
    });
  });

  test("adds stock once per request_id, and refuses the id for another request", async () => {
    const catalog = await as(CatalogService, olivia, "operator");
    const requestId = crypto.randomUUID();
    const before = (await catalog.adjustStock({ sku: "TEA", delta: 5n, requestId })).stock;
    const replayed = vi.fn();
    const again = await catalog.adjustStock(
      { sku: "TEA", delta: 5n, requestId },
      { onHeader: (h) => replayed(h.get("idempotent-replayed")) },
    );
    expect(again.stock).toBe(before);
    expect(replayed).toHaveBeenCalledWith("true");
    expect(await failure(catalog.adjustStock({ sku: "TEA", delta: 6n, requestId }))).toEqual({
      code: "InvalidArgument",
      reason: "REQUEST_ID_REUSED",
    });
  });

  test("refuses an unknown SKU, and leaves the request_id unused", async () => {
    const catalog = await as(CatalogService, olivia, "operator");
    const requestId = crypto.randomUUID();
    expect(await failure(catalog.adjustStock({ sku: "NONE", delta: 1n, requestId }))).toMatchObject(
      { reason: "UNKNOWN_SKU" },
    );
    await expect(catalog.adjustStock({ sku: "TEA", delta: 1n, requestId })).resolves.toMatchObject({
      sku: "TEA",
    });
  });

  test("refuses a stock above the limit, also by concurrent calls, and leaves the request_id unused", async () => {
    const catalog = await as(CatalogService, olivia, "operator");
    const price = { currencyCode: "EUR", minorUnits: 1n };
    const product = { sku: "SAND", name: "Sand", price, stock: 999_999_000n };
    await catalog.putProduct({ product, requestId: crypto.randomUUID() });
    const requestId = crypto.randomUUID();
    const add = (delta: bigint, id = crypto.randomUUID()) =>
      catalog.adjustStock({ sku: "SAND", delta, requestId: id });
    expect(await failure(add(1_001n, requestId))).toEqual({
      code: "FailedPrecondition",
      reason: "STOCK_TOO_LARGE",
    });
    const results = await Promise.allSettled(Array.from({ length: 20 }, () => add(100n)));
    expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(10);
    expect((await add(-1_000n, requestId)).stock).toBe(999_999_000n);
  });

  test("refuses a stock below 0 and a change of currency", async () => {
    const catalog = await as(CatalogService, olivia, "operator");
    expect(
      await failure(
        catalog.adjustStock({ sku: "RARE", delta: -1n, requestId: crypto.randomUUID() }),
      ),
    ).toEqual({
      code: "FailedPrecondition",
      reason: "OUT_OF_STOCK",
    });
    const product = { sku: "TEA", name: "Tea", price: { currencyCode: "USD", minorUnits: 1n } };
    expect(
      await failure(catalog.putProduct({ requestId: crypto.randomUUID(), product })),
    ).toMatchObject({ reason: "CURRENCY_MISMATCH" });
  });
});

describe("a refund that an operator made at Payment", () => {
  test("is shown on the order, which stays CONFIRMED; cancelling refunds the rest", async () => {
    const client = await orders();
    const { id: orderId, paymentId, refunded } = await client.createOrder(wanted("TEA", 2));
    expect(refunded).toMatchObject({ currencyCode: "EUR", minorUnits: 0n });
    const refundedNow = async () => (await client.getOrder({ orderId })).refunded?.minorUnits;
    participant.refundInPart(paymentId, orderId, { ...EUR, minorUnits: 300n });
    participant.refundInPart(paymentId, orderId, { ...EUR, minorUnits: 700n });
    await vi.waitFor(async () => expect(await refundedNow()).toBe(700n));
    expect(await client.getOrder({ orderId })).toMatchObject({ status: OrderStatus.CONFIRMED });
    const requestId = crypto.randomUUID();
    expect(await client.cancelOrder({ orderId, requestId })).toMatchObject({
      status: OrderStatus.CANCELLED,
      refunded: { ...EUR, minorUnits: 1_000n },
    });
  });

  test("is learned of after Payment was down", async () => {
    const client = await orders();
    const { id: orderId, paymentId } = await client.createOrder(wanted());
    participant.behave("is down");
    participant.refundInPart(paymentId, orderId, { ...EUR, minorUnits: 1n });
    participant.behave("works");
    await vi.waitFor(async () =>
      expect((await client.getOrder({ orderId })).refunded?.minorUnits).toBe(1n),
    );
  });
});

describe("placing an order", () => {
  test("returns CONFIRMED, at the catalog's price, with the timeline", async () => {
    const order = await (await orders()).createOrder(wanted("TEA", 3));
    expect(order).toMatchObject({
      status: OrderStatus.CONFIRMED,
      customerId: alice,
      total: { currencyCode: "EUR", minorUnits: 1500n },
    });
    const steps = sagaPaths.find(({ kind }) => kind === PLACE_ORDER)?.steps;
    expect(order.timeline.map((e) => e.step)).toEqual(steps?.map(({ name }) => name));
    expect(participant.statusOf(order.paymentId)).toBe(PaymentStatus.SUCCEEDED);
  });

  test("returns REJECTED when the payment is declined", async () => {
    participant.behave("declines");
    const order = await (await orders()).createOrder(wanted());
    expect(order).toMatchObject({
      status: OrderStatus.REJECTED,
      failure: { reason: "PAYMENT_DECLINED" },
    });
  });

  test("refunds the payment when the stock is too low, and returns CANCELLED", async () => {
    const order = await (await orders()).createOrder(wanted("RARE"));
    expect(order).toMatchObject({
      status: OrderStatus.CANCELLED,
      failure: { reason: "OUT_OF_STOCK" },
    });
    expect(participant.statusOf(order.paymentId)).toBe(PaymentStatus.REFUNDED);
  });

  test("returns PENDING within the deadline while the payment service is down; the saga continues", async () => {
    participant.behave("is down");
    const client = await orders();
    const request = wanted();
    const order = await unsettled((options) => client.createOrder(request, options));
    expect(order.status).toBe(OrderStatus.PENDING);
    await expect
      .poll(async () => (await client.getOrder({ orderId: order.id })).timeline)
      .toContainEqual(expect.objectContaining({ outcome: SagaOutcome.UNKNOWN }));
    participant.behave("works");
    await vi.waitFor(
      async () =>
        expect((await client.getOrder({ orderId: order.id })).status).toBe(OrderStatus.CONFIRMED),
      {
        timeout: 10_000,
      },
    );
  });

  test("a hundred concurrent copies of one request make one order", async () => {
    const client = await orders();
    const request = wanted();
    const placed = await Promise.all(
      Array.from({ length: 100 }, () => client.createOrder(request)),
    );
    expect(new Set(placed.map((order) => order.id)).size).toBe(1);
    expect(placed.every((order) => order.status === OrderStatus.CONFIRMED)).toBe(true);
  });

  test("a total that is not the expected one is refused before anything happens, with both", async () => {
    const client = await orders();
    const request = { ...wanted("TEA", 2), expectedTotal: { ...EUR, minorUnits: 999n } };
    const before = (await client.listOrders({})).orders.length;
    const error = ConnectError.from(await client.createOrder(request).catch((error) => error));
    expect([error.code, reasonOf(error)]).toEqual([Code.FailedPrecondition, "PRICE_CHANGED"]);
    expect(error.findDetails(ErrorInfoSchema)[0]?.metadata).toEqual({
      expected_minor_units: "999",
      expected_currency_code: "EUR",
      total_minor_units: "1000",
      total_currency_code: "EUR",
    });
    expect((await client.listOrders({})).orders).toHaveLength(before);
    const dollars = { ...request, expectedTotal: { currencyCode: "USD", minorUnits: 1_000n } };
    expect(await failure(client.createOrder(dollars))).toMatchObject({ reason: "PRICE_CHANGED" });
    // The refused id is unused.
    const right = { ...request, expectedTotal: { ...EUR, minorUnits: 1_000n } };
    expect(await client.createOrder(right)).toMatchObject({ status: OrderStatus.CONFIRMED });
  });

  test("a new price does not refuse the replay of an accepted order", async () => {
    await putProduct("DEAR", EUR);
    const request = { ...wanted("DEAR"), expectedTotal: EUR };
    const placed = await (await orders()).createOrder(request);
    await putProduct("DEAR", { ...EUR, minorUnits: 90_000n });
    expect(await (await orders()).createOrder(request)).toMatchObject({
      id: placed.id,
      total: EUR,
    });
    expect(
      await failure((await orders()).createOrder({ ...wanted("DEAR"), expectedTotal: EUR })),
    ).toMatchObject({ reason: "PRICE_CHANGED" });
  });

  test("a product that another process changed is ordered as it is now", async () => {
    const client = await orders();
    await putProduct("LAMP", EUR);
    const order = (minorUnits: bigint) =>
      client.createOrder({ ...wanted("LAMP"), expectedTotal: { ...EUR, minorUnits } });
    expect(await order(EUR.minorUnits)).toMatchObject({ items: [{ name: "LAMP" }] });
    await service.sql`update products set minor_units = 800, name = 'Old lamp' where sku = 'LAMP'`;
    expect(await order(800n)).toMatchObject({
      items: [{ name: "Old lamp", unitPrice: { minorUnits: 800n } }],
    });
    await service.sql`update products set minor_units = 700 where sku = 'LAMP'`;
    expect(await client.createOrder(wanted("LAMP"))).toMatchObject({ total: { minorUnits: 700n } });
    await service.sql`update products set minor_units = 600 where sku = 'LAMP'`;
    expect(await failure(order(700n))).toMatchObject({ reason: "PRICE_CHANGED" });
    await service.sql`delete from products where sku = 'LAMP'`;
    expect(await failure(order(600n))).toMatchObject({ reason: "UNKNOWN_SKU" });
  });

  test("a product that changes whenever it is read is a conflict", async () => {
    await service.sql.unsafe(`
      create sequence changes;
      alter table products rename to stored_products;
      create view products as
        select sku, name, description, currency_code, minor_units + nextval('changes') as minor_units, stock, update_time
        from stored_products`);
    const conflict = await failure((await orders()).createOrder(wanted()));
    await service.sql.unsafe(`
      drop view products;
      alter table stored_products rename to products`);
    expect(conflict).toEqual({ code: "Aborted", reason: "CONFLICT" });
  });

  test("a request_id in upper case is the same id, and so is an order id", async () => {
    const request = wanted();
    const placed = await (await orders()).createOrder(request);
    const upper = { ...request, requestId: request.requestId.toUpperCase() };
    expect(await (await orders()).createOrder(upper)).toMatchObject({ id: placed.id });
    const found = await (await orders()).getOrder({ orderId: placed.id.toUpperCase() });
    expect(found.id).toBe(placed.id);
  });

  test("a request_id is scoped to its customer, who cannot use it for another request", async () => {
    const request = wanted();
    const mine = await (await orders()).createOrder(request);
    const theirs = await (await orders(bob)).createOrder(request);
    expect(theirs.id).not.toBe(mine.id);
    const other = (await orders()).createOrder({
      ...wanted("TEA", 2),
      requestId: request.requestId,
    });
    expect(await failure(other)).toEqual({ code: "InvalidArgument", reason: "REQUEST_ID_REUSED" });
  });

  test.each([
    ["the total is too large now", "VASE-1", { ...EUR, minorUnits: LIMIT }],
    ["a product changed its currency", "VASE-2", { ...EUR, currencyCode: "USD" }],
    ["a product is gone", "VASE-3", undefined],
  ])("a replay returns the accepted order although %s", async (_what, sku, price) => {
    await putProduct(sku, EUR);
    const client = await orders();
    const items = ["TEA", sku].map((sku) => ({ sku, quantity: 2 }));
    const request = { ...wanted(), items };
    const accepted = await client.createOrder(request);
    await service.sql`delete from products where sku = ${sku}`;
    if (price !== undefined) await putProduct(sku, price);
    const expectReplay = async () => {
      const replayed = vi.fn();
      const again = await client.createOrder(request, {
        onHeader: (header) => replayed(header.get("idempotent-replayed")),
      });
      expect(again).toEqual(accepted);
      expect(replayed).toHaveBeenCalledWith("true");
    };
    await expectReplay();
    // A new request is refused, and so is another request under the same id.
    expect((await failure(client.createOrder({ ...wanted(), items }))).code).toBe(
      "InvalidArgument",
    );
    // Now that the process knows of the change.
    await expectReplay();
    const other = client.createOrder({ ...request, paymentMethod: { token: "tok_other" } });
    expect((await failure(other)).reason).toBe("REQUEST_ID_REUSED");
  });

  test.each([
    ["an unknown product", { ...wanted("NONE") }, "UNKNOWN_SKU"],
    [
      "a product listed twice",
      {
        ...wanted(),
        items: [
          { sku: "TEA", quantity: 1 },
          { sku: "TEA", quantity: 1 },
        ],
      },
      "INVALID_FIELD",
    ],
    ["an empty order", { ...wanted(), items: [] }, "INVALID_FIELD"],
    ["no payment method", { ...wanted(), paymentMethod: undefined as never }, "INVALID_FIELD"],
    ["a quantity of 0", wanted("TEA", 0), "INVALID_FIELD"],
  ])("refuses %s", async (_what, request, reason) => {
    expect(await failure((await orders()).createOrder(request))).toEqual({
      code: "InvalidArgument",
      reason,
    });
  });
});

describe("another customer's order", () => {
  test("is not found by reads, watches, cancellations and lists", async () => {
    const { id: orderId } = await (await orders()).createOrder(wanted());
    const client = await orders(bob);
    const missing = { code: "NotFound", reason: "NOT_FOUND" };
    expect(await failure(client.getOrder({ orderId }))).toEqual(missing);
    expect(await failure(client.cancelOrder({ orderId, requestId: crypto.randomUUID() }))).toEqual(
      missing,
    );
    expect(await failure(client.watchOrder({ orderId })[Symbol.asyncIterator]().next())).toEqual(
      missing,
    );
    const listed = await client.listOrders({ customerId: alice });
    expect(listed.orders.every((order) => order.customerId === bob)).toBe(true);
  });

  test("is visible to operators", async () => {
    const { id: orderId } = await (await orders()).createOrder(wanted());
    const operator = await orders(olivia, "operator");
    expect((await operator.getOrder({ orderId })).id).toBe(orderId);
    const listed = await operator.listOrders({
      customerId: alice,
      status: OrderStatus.CONFIRMED,
      pageSize: 1,
    });
    expect(listed.orders).toHaveLength(1);
    expect(listed.orders[0]?.timeline).toEqual([]);
  });
});

describe("watching", () => {
  test("starts with the order as it is, sends each event, and ends when it is settled", async () => {
    participant.behave("is down");
    const client = await orders();
    const request = wanted();
    const { id: orderId } = await unsettled((options) => client.createOrder(request, options));
    const statuses: OrderStatus[] = [];
    const steps: (string | undefined)[] = [];
    for await (const { order, event } of client.watchOrder({ orderId })) {
      statuses.push(order?.status ?? OrderStatus.UNSPECIFIED);
      steps.push(event?.step);
      participant.behave("works");
    }
    expect(statuses[0]).toBe(OrderStatus.PENDING);
    expect(statuses.at(-1)).toBe(OrderStatus.CONFIRMED);
    expect(steps[0]).toBeUndefined();
    expect(steps.at(-1)).toBe("allocate");
  });

  test("WatchOrder ends with the token that opened it", async () => {
    participant.behave("is down");
    const [buyer, request] = [await orders(), wanted()];
    const { id: orderId } = await unsettled((options) => buyer.createOrder(request, options));
    // Tokens are accepted for 5 s after they expire: clocks differ.
    const client = await service.as(OrderService, alice, "customer", 1);
    const watched = (async () => {
      for await (const _ of client.watchOrder({ orderId }));
    })();
    expect(await failure(watched)).toEqual({
      code: "Unauthenticated",
      reason: "UNAUTHENTICATED",
    });
    // Or it would take from the stock during a later test.
    participant.behave("works");
    const placed = await orders();
    await vi.waitFor(
      async () => expect((await placed.getOrder({ orderId })).status).toBe(OrderStatus.CONFIRMED),
      { timeout: 15_000, interval: 50 },
    );
  });

  test("a settled order is sent once", async () => {
    const client = await orders();
    const { id: orderId } = await client.createOrder(wanted());
    const statuses = [];
    for await (const { order } of client.watchOrder({ orderId })) statuses.push(order?.status);
    expect(statuses).toEqual([OrderStatus.CONFIRMED]);
  });
});

describe("cancelling", () => {
  test("a confirmed order refunds the payment and returns the stock, once", async () => {
    const client = await orders();
    const catalog = await as(CatalogService, olivia, "operator");
    const stock = async () =>
      (await catalog.listProducts({})).products.find((p) => p.sku === "TEA")?.stock;
    const before = await stock();
    const { id: orderId, paymentId } = await client.createOrder(wanted("TEA", 2));
    const request = { orderId, requestId: crypto.randomUUID(), reason: "changed my mind" };
    const cancelled = await client.cancelOrder(request);
    expect(cancelled).toMatchObject({
      status: OrderStatus.CANCELLED,
      failure: { reason: "CANCELLED_BY_CUSTOMER", message: "changed my mind" },
    });
    expect(participant.statusOf(paymentId)).toBe(PaymentStatus.REFUNDED);
    expect(await stock()).toBe(before);
    expect((await client.cancelOrder(request)).status).toBe(OrderStatus.CANCELLED);
    expect(
      await failure(client.cancelOrder({ ...request, requestId: crypto.randomUUID() })),
    ).toEqual({
      code: "FailedPrecondition",
      reason: "ORDER_NOT_CANCELLABLE",
    });
  });

  test("a pending order compensates its saga, and no later charge can succeed", async () => {
    participant.behave("is down");
    const client = await orders();
    const request = wanted();
    const { id: orderId, paymentId } = await unsettled((options) =>
      client.createOrder(request, options),
    );
    const cancel = { orderId, requestId: crypto.randomUUID(), reason: "too slow" };
    const cancelling = await unsettled((options) => client.cancelOrder(cancel, options));
    expect(cancelling.status).toBe(OrderStatus.CANCELLING);
    participant.behave("works");
    await vi.waitFor(
      async () => expect((await client.getOrder({ orderId })).status).toBe(OrderStatus.CANCELLED),
      { timeout: 10_000 },
    );
    expect(participant.statusOf(paymentId)).toBe(PaymentStatus.VOIDED);
  });
});

describe("operators", () => {
  test("see a saga whose refund fails, and complete it by RetrySaga", async () => {
    // Only here: other sagas must not be parked while their participant is down.
    await using hasty = await startOrderService({ SAGA_COMPENSATION_BUDGET_MS: "1000" });
    const { participant } = hasty;
    participant.behave("cannot refund");
    const client = await hasty.as(OrderService, alice, "customer");
    const order = wanted("RARE");
    const { id: orderId, paymentId } = await unsettled((options) =>
      client.createOrder(order, options),
    );
    await vi.waitFor(
      async () =>
        expect((await client.getOrder({ orderId })).status).toBe(OrderStatus.NEEDS_ATTENTION),
      {
        timeout: 10_000,
      },
    );
    const operator = await hasty.as(SagaService, olivia, "operator");
    const parked = (await operator.listSagas({ state: SagaState.NEEDS_ATTENTION })).sagas.find(
      (saga) => saga.orderId === orderId,
    );
    expect(parked).toMatchObject({ kind: "place-order", step: "charge", events: [] });
    participant.behave("works");
    const request = { sagaId: parked?.id ?? "", requestId: crypto.randomUUID() };
    await operator.retrySaga(request);
    await vi.waitFor(
      async () => expect((await client.getOrder({ orderId })).status).toBe(OrderStatus.CANCELLED),
      { timeout: 10_000 },
    );
    expect(participant.statusOf(paymentId)).toBe(PaymentStatus.REFUNDED);
    expect((await operator.retrySaga(request)).state).toBe(SagaState.COMPENSATED);
    expect(
      await failure(operator.retrySaga({ ...request, requestId: crypto.randomUUID() })),
    ).toEqual({
      code: "FailedPrecondition",
      reason: "SAGA_NOT_RETRYABLE",
    });
  });

  test("compensate a running saga by CompensateSaga", async () => {
    participant.behave("is down");
    const client = await orders();
    const order = wanted();
    const { id: orderId } = await unsettled((options) => client.createOrder(order, options));
    const operator = await sagas();
    const running = (
      await operator.listSagas({ state: SagaState.RUNNING, kind: "place-order" })
    ).sagas.find((saga) => saga.orderId === orderId);
    const request = { sagaId: running?.id ?? "", requestId: crypto.randomUUID(), reason: "fraud" };
    // Refused if a worker claims the saga at this moment: operators try again.
    const compensating = await vi.waitFor(() => operator.compensateSaga(request));
    expect(compensating.state).toBe(SagaState.COMPENSATING);
    expect(compensating.fence).toBeGreaterThan(running?.fence ?? 0n);
    participant.behave("works");
    await vi.waitFor(
      async () =>
        expect(await client.getOrder({ orderId })).toMatchObject({
          status: OrderStatus.CANCELLED,
          failure: { reason: "CANCELLED_BY_OPERATOR", message: "fraud" },
        }),
      { timeout: 10_000 },
    );
  });

  test("are the only ones who see sagas", async () => {
    const customer = await as(SagaService, alice, "customer");
    expect(await failure(customer.listSagas({}))).toEqual({
      code: "PermissionDenied",
      reason: "PERMISSION_DENIED",
    });
  });
});

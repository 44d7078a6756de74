import assert from "node:assert/strict";
import { Code } from "@connectrpc/connect";
import { Matchers, type Pact } from "@pact-foundation/pact";
import { CatalogService } from "@tercet/gen/order/v1/catalog_service";
import { OrderService, OrderStatus } from "@tercet/gen/order/v1/order_service";
import { SagaActionSchema, SagaOutcomeSchema } from "@tercet/gen/order/v1/saga_event";
import { euros, fromState, oneOf, Refusal, type State, text, timestamp, uuid } from "../pact.ts";
import { ask } from "./browser.ts";

const { createOrder, getOrder, cancelOrder } = OrderService.method;
const { listProducts } = CatalogService.method;

const ORDER_ID = "0199c0de-0000-7000-8000-000000000030";
const requestId = (n: number): string => `6b0a2f6e-3d0c-4a3e-9d55-3a9a8f0d1c1${n}`;

const CATALOG: State = {
  name: "the catalog sells MUG for 12.50 EUR, and VINYL, of which there is none",
};
const LOGGED_IN: State = { name: "a user is logged in" };
/** A call with a customer's token, in a state. */
const customer = (state = LOGGED_IN) => ({ given: [CATALOG, state], token: true });
const customerWith = (status: string) =>
  customer({ name: `a customer has an order that is ${status}` });

/** Two mugs. */
const MUGS = [
  { sku: "MUG", name: "Blue mug", quantity: 2, unitPrice: euros(1_250n), total: euros(2_500n) },
];
const order = (status: string, changes: object = {}) => ({
  id: uuid(ORDER_ID),
  customerId: uuid("0199c0de-0000-7000-8000-000000000031"),
  status,
  items: MUGS,
  total: euros(2_500n),
  paymentId: uuid("0199c0de-0000-7000-8000-000000000032"),
  createTime: timestamp(),
  updateTime: timestamp(),
  timeline: Matchers.eachLike({
    time: timestamp(),
    step: text("charge"),
    action: oneOf(SagaActionSchema),
    outcome: oneOf(SagaOutcomeSchema),
  }),
  ...changes,
});
const failure = (reason: string) => ({ reason, message: Matchers.string("for people") });
const wanted = (id: string, token = "tok_visa", sku = "MUG") => ({
  requestId: id,
  items: [{ sku, quantity: 2 }],
  paymentMethod: { token },
});

/** How a page shows the catalog, places an order, follows it and cancels it. */
export async function browserOfOrder(pact: Pact): Promise<void> {
  await catalog(pact);
  await placed(pact);
  await notPlaced(pact);
  await read(pact);
  await cancelled(pact);
}

async function catalog(pact: Pact): Promise<void> {
  const mug = {
    sku: "MUG",
    name: "Blue mug",
    description: "Stoneware.",
    price: euros(1_250n),
    stock: Matchers.regex(/^\d+$/, "500"),
  };
  const how = {
    receiving: "a visitor who wants the first product",
    given: [CATALOG],
    method: listProducts,
    request: { pageSize: 1 },
    answer: { products: [{ ...mug, updateTime: timestamp() }], nextPageToken: text("TVVH") },
  };
  await ask(pact, how, ({ products: [product] }) =>
    assert.deepEqual([product?.price?.minorUnits, product?.stock], [1_250n, 500n]),
  );
}

/** Each way an order can end, by the card and the stock. */
async function placed(pact: Pact): Promise<void> {
  const place = (receiving: string, request: object, answer: unknown, status: OrderStatus) =>
    ask(pact, { ...customer(), receiving, method: createOrder, request, answer }, (response) =>
      assert.deepEqual([response.id, response.status], [ORDER_ID, status]),
    );
  await place(
    "an order",
    wanted(requestId(1)),
    order("ORDER_STATUS_CONFIRMED"),
    OrderStatus.CONFIRMED,
  );
  await place(
    "an order with a card that is declined",
    wanted(requestId(2), "tok_declined"),
    order("ORDER_STATUS_REJECTED", { failure: failure("PAYMENT_DECLINED") }),
    OrderStatus.REJECTED,
  );
  const items = [{ ...MUGS[0], sku: "VINYL", name: "First pressing" }];
  await place(
    "an order of what is out of stock",
    wanted(requestId(3), "tok_visa", "VINYL"),
    order("ORDER_STATUS_CANCELLED", { items, failure: failure("OUT_OF_STOCK") }),
    OrderStatus.CANCELLED,
  );
}

async function notPlaced(pact: Pact): Promise<void> {
  await ask(pact, {
    ...customer(),
    receiving: "an order of what is not sold",
    method: createOrder,
    request: wanted(requestId(4), "tok_visa", "NOT-SOLD"),
    answer: new Refusal(Code.InvalidArgument, "UNKNOWN_SKU", { sku: "NOT-SOLD" }),
  });
  const reused = wanted(requestId(5));
  const name = "a customer used the request id for another order";
  await ask(pact, {
    ...customer({ name, params: { requestId: reused.requestId } }),
    receiving: "an order under a request id that was used",
    method: createOrder,
    request: reused,
    answer: new Refusal(Code.InvalidArgument, "REQUEST_ID_REUSED", { field: "request_id" }),
  });
  await ask(pact, {
    receiving: "an order without a token",
    method: createOrder,
    request: wanted(requestId(6)),
    answer: new Refusal(Code.Unauthenticated, "UNAUTHENTICATED"),
  });
}

async function read(pact: Pact): Promise<void> {
  const reading = { method: getOrder, request: { orderId: fromState("orderId", ORDER_ID) } };
  const own = {
    ...reading,
    ...customerWith("CONFIRMED"),
    receiving: "a customer who reads an order",
    answer: order("ORDER_STATUS_CONFIRMED"),
  };
  await ask(pact, own, ({ total }) => assert.equal(total?.minorUnits, 2_500n));
  await ask(pact, {
    ...reading,
    ...customer({ name: "another customer has an order" }),
    receiving: "a customer who reads another customer's order",
    answer: new Refusal(Code.NotFound, "NOT_FOUND"),
  });
}

async function cancelled(pact: Pact): Promise<void> {
  const orderId = fromState("orderId", ORDER_ID);
  const request = { requestId: requestId(7), reason: "changed my mind", orderId };
  const cancelling = { method: cancelOrder, request };
  const confirmed = {
    ...cancelling,
    ...customerWith("CONFIRMED"),
    receiving: "a customer who cancels an order",
    answer: order("ORDER_STATUS_CANCELLED", { failure: failure("CANCELLED_BY_CUSTOMER") }),
  };
  await ask(pact, confirmed, ({ status }) => assert.equal(status, OrderStatus.CANCELLED));
  await ask(pact, {
    ...cancelling,
    ...customerWith("REJECTED"),
    receiving: "a customer who cancels an order that was rejected",
    answer: new Refusal(Code.FailedPrecondition, "ORDER_NOT_CANCELLABLE", { status: "REJECTED" }),
  });
}

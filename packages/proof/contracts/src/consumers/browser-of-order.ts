import assert from "node:assert/strict";
import { Code } from "@connectrpc/connect";
import { Matchers, type Pact } from "@pact-foundation/pact";
import { CatalogService } from "@tercet/gen/order/v1/catalog_service";
import { type Order, OrderService, OrderStatus } from "@tercet/gen/order/v1/order_service";
import { SagaActionSchema, SagaOutcomeSchema } from "@tercet/gen/order/v1/saga_event";
import {
  type Exchange,
  euros,
  fromState,
  oneOf,
  Refusal,
  type State,
  text,
  timestamp,
  uuid,
} from "../pact.ts";
import { Page } from "./browser.ts";

const { createOrder, getOrder, cancelOrder } = OrderService.method;
const { listProducts } = CatalogService.method;

const ORDER_ID = "0199c0de-0000-7000-8000-000000000030";
const requestId = (n: number): string => `6b0a2f6e-3d0c-4a3e-9d55-3a9a8f0d1c1${n}`;

const CUSTOMER: State = { name: "a user is logged in" };
const CATALOG: State = {
  name: "the catalog sells MUG for 12.50 EUR, and VINYL, of which there is none",
};
const orderOf = (status: string): State => ({ name: `a customer has an order that is ${status}` });

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

type OrderPage = Page<typeof OrderService>;
type Asked = Omit<Exchange, "given" | "token"> & { readonly given?: readonly State[] };
const asCustomer = <A extends Asked>({ given = [CUSTOMER], ...how }: A) => ({
  ...how,
  given: [CATALOG, ...given],
  token: true,
});

/** How a page shows the catalog, places an order, follows it and cancels it. */
export async function browserOfOrder(pact: Pact): Promise<void> {
  await catalog(new Page(pact, CatalogService));
  const page = new Page(pact, OrderService);
  await placed(page);
  await notPlaced(page);
  await read(page);
  await cancelled(page);
}

async function catalog(page: Page<typeof CatalogService>): Promise<void> {
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
  await page.ask(how, async (client) => {
    const { products } = await client.listProducts({ pageSize: 1 });
    assert.deepEqual([products[0]?.price?.minorUnits, products[0]?.stock], [1_250n, 500n]);
  });
}

/** Each way an order can end, by the card and the stock. */
async function placed(page: OrderPage): Promise<void> {
  const place = async (
    receiving: string,
    request: ReturnType<typeof wanted>,
    answer: unknown,
    expected: Partial<Order>,
  ) => {
    await page.ask(
      asCustomer({ receiving, method: createOrder, request, answer }),
      async (client) => assert.partialDeepStrictEqual(await client.createOrder(request), expected),
    );
  };
  await place("an order", wanted(requestId(1)), order("ORDER_STATUS_CONFIRMED"), {
    id: ORDER_ID,
    status: OrderStatus.CONFIRMED,
  });
  await place(
    "an order with a card that is declined",
    wanted(requestId(2), "tok_declined"),
    order("ORDER_STATUS_REJECTED", { failure: failure("PAYMENT_DECLINED") }),
    { status: OrderStatus.REJECTED },
  );
  const items = [{ ...MUGS[0], sku: "VINYL", name: "First pressing" }];
  await place(
    "an order of what is out of stock",
    wanted(requestId(3), "tok_visa", "VINYL"),
    order("ORDER_STATUS_CANCELLED", { items, failure: failure("OUT_OF_STOCK") }),
    { status: OrderStatus.CANCELLED },
  );
}

async function notPlaced(page: OrderPage): Promise<void> {
  const refused = async (
    how: Omit<Exchange, "method"> & {
      readonly request: ReturnType<typeof wanted>;
      readonly answer: Refusal;
    },
  ) => {
    await page.refused({ ...how, method: createOrder }, (client) =>
      client.createOrder(how.request),
    );
  };
  await refused(
    asCustomer({
      receiving: "an order of what is not sold",
      method: createOrder,
      request: wanted(requestId(4), "tok_visa", "NOT-SOLD"),
      answer: new Refusal(Code.InvalidArgument, "UNKNOWN_SKU", { sku: "NOT-SOLD" }),
    }),
  );
  const reused = wanted(requestId(5));
  const name = "a customer used the request id for another order";
  await refused(
    asCustomer({
      receiving: "an order under a request id that was used",
      method: createOrder,
      request: reused,
      given: [{ name, params: { requestId: reused.requestId } }],
      answer: new Refusal(Code.InvalidArgument, "REQUEST_ID_REUSED", { field: "request_id" }),
    }),
  );
  await refused({
    receiving: "an order without a token",
    request: wanted(requestId(6)),
    token: false,
    answer: new Refusal(Code.Unauthenticated, "UNAUTHENTICATED"),
  });
}

async function read(page: OrderPage): Promise<void> {
  const reading = { method: getOrder, request: { orderId: fromState("orderId", ORDER_ID) } };
  const own = {
    ...reading,
    receiving: "a customer who reads an order",
    given: [orderOf("CONFIRMED")],
    answer: order("ORDER_STATUS_CONFIRMED"),
  };
  await page.ask(asCustomer(own), async (client) => {
    const { total } = await client.getOrder({ orderId: ORDER_ID });
    assert.deepEqual(total?.minorUnits, 2_500n);
  });
  const others = {
    ...reading,
    receiving: "a customer who reads another customer's order",
    given: [{ name: "another customer has an order" }],
    answer: new Refusal(Code.NotFound, "NOT_FOUND"),
  };
  await page.refused(asCustomer(others), (client) => client.getOrder({ orderId: ORDER_ID }));
}

async function cancelled(page: OrderPage): Promise<void> {
  const cancel = { requestId: requestId(7), reason: "changed my mind" };
  const request = { ...cancel, orderId: fromState("orderId", ORDER_ID) };
  const confirmed = {
    receiving: "a customer who cancels an order",
    method: cancelOrder,
    request,
    given: [orderOf("CONFIRMED")],
    answer: order("ORDER_STATUS_CANCELLED", { failure: failure("CANCELLED_BY_CUSTOMER") }),
  };
  await page.ask(asCustomer(confirmed), async (client) => {
    const { status } = await client.cancelOrder({ ...cancel, orderId: ORDER_ID });
    assert.equal(status, OrderStatus.CANCELLED);
  });
  const rejected = {
    ...confirmed,
    receiving: "a customer who cancels an order that was rejected",
    given: [orderOf("REJECTED")],
    answer: new Refusal(Code.FailedPrecondition, "ORDER_NOT_CANCELLABLE", { status: "REJECTED" }),
  };
  await page.refused(asCustomer(rejected), (client) =>
    client.cancelOrder({ ...cancel, orderId: ORDER_ID }),
  );
}

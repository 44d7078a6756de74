import assert from "node:assert/strict";
import { type Client, Code } from "@connectrpc/connect";
import { Matchers, type Pact } from "@pact-foundation/pact";
import { CatalogService } from "@tercet/gen/order/v1/catalog_service";
import { type Order, OrderService, OrderStatus } from "@tercet/gen/order/v1/order_service";
import { SagaActionSchema, SagaOutcomeSchema } from "@tercet/gen/order/v1/saga_event";
import {
  type Exchange,
  euros,
  exchange,
  fromState,
  oneOf,
  Refusal,
  type State,
  text,
  timestamp,
  uuid,
} from "../pact.ts";
import { browserClient, refusedWith } from "./browser.ts";

const { createOrder, getOrder, cancelOrder } = OrderService.method;
const { listProducts } = CatalogService.method;

const ORDER_ID = "0199c0de-0000-7000-8000-000000000030";
const requestId = (n: number): string => `6b0a2f6e-3d0c-4a3e-9d55-3a9a8f0d1c1${n}`;

const CUSTOMER: State = { name: "somebody is logged in" };
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

type Orders = Client<typeof OrderService>;
type Asked = Omit<Exchange, "given" | "token"> & { readonly given?: readonly State[] };
const ordersAt = (url: string, token = true): Orders => browserClient(OrderService, url, { token });
const asCustomer = ({ given = [CUSTOMER], ...how }: Asked): Exchange => ({
  ...how,
  given: [CATALOG, ...given],
  token: true,
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
  const answer = { products: [{ ...mug, updateTime: timestamp() }], nextPageToken: text("TVVH") };
  const how = {
    receiving: "a visitor who wants the first product",
    given: [CATALOG],
    method: listProducts,
    request: { pageSize: 1 },
    answer,
  };
  await exchange(pact, how, async (url) => {
    const { products } = await browserClient(CatalogService, url, { token: false }).listProducts({
      pageSize: 1,
    });
    assert.deepEqual([products[0]?.price?.minorUnits, products[0]?.stock], [1_250n, 500n]);
  });
}

/** Each way an order can end, by the card and the stock. */
async function placed(pact: Pact): Promise<void> {
  const place = async (
    receiving: string,
    request: ReturnType<typeof wanted>,
    answer: unknown,
    expected: Partial<Order>,
  ) => {
    await exchange(
      pact,
      asCustomer({ receiving, method: createOrder, request, answer }),
      async (url) =>
        assert.partialDeepStrictEqual(await ordersAt(url).createOrder(request), expected),
    );
  };
  await place("an order", wanted(requestId(1)), order("ORDER_STATUS_CONFIRMED"), {
    id: ORDER_ID,
    status: OrderStatus.CONFIRMED,
  });
  const rejected = order("ORDER_STATUS_REJECTED", { failure: failure("PAYMENT_DECLINED") });
  await place(
    "an order with a card that is declined",
    wanted(requestId(2), "tok_declined"),
    rejected,
    { status: OrderStatus.REJECTED },
  );
  const [mugs] = MUGS;
  const vinyl = {
    items: [{ ...mugs, sku: "VINYL", name: "First pressing" }],
    failure: failure("OUT_OF_STOCK"),
  };
  const outOfStock = order("ORDER_STATUS_CANCELLED", vinyl);
  await place(
    "an order of what is out of stock",
    wanted(requestId(3), "tok_visa", "VINYL"),
    outOfStock,
    { status: OrderStatus.CANCELLED },
  );
}

async function notPlaced(pact: Pact): Promise<void> {
  const refuse = async (
    how: Exchange & { readonly answer: Refusal },
    request: ReturnType<typeof wanted>,
  ) => {
    await exchange(pact, how, (url) =>
      refusedWith(how.answer, ordersAt(url, how.token).createOrder(request)),
    );
  };
  const unknownSku = wanted(requestId(4), "tok_visa", "NOT-SOLD");
  const unknown = {
    receiving: "an order of what is not sold",
    method: createOrder,
    request: unknownSku,
  };
  await refuse(
    {
      ...asCustomer({ ...unknown, answer: undefined }),
      answer: new Refusal(Code.InvalidArgument, "UNKNOWN_SKU", { sku: "NOT-SOLD" }),
    },
    unknownSku,
  );
  const reused = wanted(requestId(5));
  const given = [
    {
      name: "a customer used the request id for another order",
      params: { requestId: reused.requestId },
    },
  ];
  const answer = new Refusal(Code.InvalidArgument, "REQUEST_ID_REUSED", { field: "request_id" });
  const reuse = {
    receiving: "an order under a request id that was used",
    method: createOrder,
    request: reused,
    given,
    answer,
  };
  await refuse({ ...asCustomer(reuse), answer }, reused);
  const nobody = new Refusal(Code.Unauthenticated, "UNAUTHENTICATED");
  const anonymous = wanted(requestId(6));
  await refuse(
    {
      receiving: "an order of nobody",
      method: createOrder,
      request: anonymous,
      token: false,
      answer: nobody,
    },
    anonymous,
  );
}

async function read(pact: Pact): Promise<void> {
  const request = { orderId: fromState("orderId", ORDER_ID) };
  const own = {
    receiving: "a customer who looks at an order",
    method: getOrder,
    request,
    given: [orderOf("CONFIRMED")],
  };
  await exchange(
    pact,
    asCustomer({ ...own, answer: order("ORDER_STATUS_CONFIRMED") }),
    async (url) => {
      assert.deepEqual(
        (await ordersAt(url).getOrder({ orderId: ORDER_ID })).total?.minorUnits,
        2_500n,
      );
    },
  );
  const answer = new Refusal(Code.NotFound, "NOT_FOUND");
  const other = {
    receiving: "a customer who looks at another's order",
    method: getOrder,
    request,
    given: [{ name: "somebody else has an order" }],
  };
  await exchange(pact, asCustomer({ ...other, answer }), (url) =>
    refusedWith(answer, ordersAt(url).getOrder({ orderId: ORDER_ID })),
  );
}

async function cancelled(pact: Pact): Promise<void> {
  const cancel = { requestId: requestId(7), reason: "changed my mind" };
  const request = { ...cancel, orderId: fromState("orderId", ORDER_ID) };
  const confirmed = {
    receiving: "a customer who cancels an order",
    method: cancelOrder,
    request,
    given: [orderOf("CONFIRMED")],
  };
  const answer = order("ORDER_STATUS_CANCELLED", { failure: failure("CANCELLED_BY_CUSTOMER") });
  await exchange(pact, asCustomer({ ...confirmed, answer }), async (url) => {
    const { status } = await ordersAt(url).cancelOrder({ ...cancel, orderId: ORDER_ID });
    assert.equal(status, OrderStatus.CANCELLED);
  });
  const over = new Refusal(Code.FailedPrecondition, "ORDER_NOT_CANCELLABLE", {
    status: "REJECTED",
  });
  const rejected = {
    ...confirmed,
    receiving: "a customer who cancels an order that was rejected",
    given: [orderOf("REJECTED")],
  };
  await exchange(pact, asCustomer({ ...rejected, answer: over }), (url) =>
    refusedWith(over, ordersAt(url).cancelOrder({ ...cancel, orderId: ORDER_ID })),
  );
}

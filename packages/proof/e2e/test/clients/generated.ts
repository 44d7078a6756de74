import { type Client, createClient, type Interceptor, type Transport } from "@connectrpc/connect";
import { IdentityService } from "@tercet/gen/identity/v1/identity";
import {
  CatalogService,
  type Product as ProductMessage,
} from "@tercet/gen/order/v1/catalog_service";
import {
  type Order as OrderMessage,
  OrderService,
  OrderStatus,
} from "@tercet/gen/order/v1/order_service";
import {
  type Payment as PaymentMessage,
  PaymentService,
  PaymentStatus,
  RefundStatus,
} from "@tercet/gen/payment/v1/payment_service";
import type { Money } from "@tercet/service";
import {
  type Order,
  type Payment,
  type Product,
  REPLAYED,
  type Shop,
  type ShopClient,
  type Targets,
} from "./shop.ts";

interface TransportOptions {
  readonly baseUrl: string;
  readonly interceptors: Interceptor[];
}

/**
 * The shop through the generated clients, over any transport. A browser loads this file too, so it
 * does not use Node.
 */
export const generatedClient = (
  transport: (options: TransportOptions) => Transport,
  targets: Targets,
): ShopClient => ({
  shop: (token) => {
    const interceptors = token === undefined ? [] : [bearer(token)];
    const to = (baseUrl: string) => transport({ baseUrl, interceptors });
    return generatedShop({
      identity: createClient(IdentityService, to(targets.identity)),
      catalog: createClient(CatalogService, to(targets.order)),
      orders: createClient(OrderService, to(targets.order)),
      payments: createClient(PaymentService, to(targets.payment)),
    });
  },
  [Symbol.dispose]: () => {},
});

const bearer =
  (token: string): Interceptor =>
  (next) =>
  (request) => {
    request.header.set("authorization", `Bearer ${token}`);
    return next(request);
  };

interface Clients {
  readonly identity: Client<typeof IdentityService>;
  readonly catalog: Client<typeof CatalogService>;
  readonly orders: Client<typeof OrderService>;
  readonly payments: Client<typeof PaymentService>;
}

function generatedShop({ identity, catalog, orders, payments }: Clients): Shop {
  const requestId = () => crypto.randomUUID();
  return {
    register: (user) => identity.register({ ...user, requestId: requestId() }),
    login: ({ email, password }) => identity.login({ email, password }),
    listProducts: async (page) => {
      const { products, nextPageToken } = await catalog.listProducts(page);
      return { products: products.map(toProduct), nextPageToken };
    },
    putProduct: async (product) =>
      toProduct(await catalog.putProduct({ product, requestId: requestId() })),
    createOrder: async ({ requestId, sku, quantity, paymentToken }, options = {}) => {
      let replayed = false;
      const onHeader = (header: Headers) => {
        replayed = header.get(REPLAYED) === "true";
      };
      const request = {
        requestId,
        items: [{ sku, quantity }],
        paymentMethod: { token: paymentToken },
      };
      const order = await orders.createOrder(request, { ...options, onHeader });
      return toOrder(order, replayed);
    },
    getOrder: async (orderId) => toOrder(await orders.getOrder({ orderId })),
    listOrders: async () => (await orders.listOrders({})).orders.map((order) => toOrder(order)),
    cancelOrder: async (orderId) =>
      toOrder(await orders.cancelOrder({ orderId, requestId: requestId() })),
    async *watchOrder(orderId) {
      for await (const { order } of orders.watchOrder({ orderId })) yield toOrder(known(order));
    },
    getPayment: async (paymentId) => toPayment(await payments.getPayment({ paymentId })),
  };
}

const toMoney = (money: Money | undefined): Money => {
  const { currencyCode, minorUnits } = known(money);
  return { currencyCode, minorUnits };
};

const toProduct = ({ sku, name, price, stock }: ProductMessage): Product => ({
  sku,
  name,
  price: toMoney(price),
  stock,
});

const toOrder = (
  { id, customerId, status, total, paymentId, failure }: OrderMessage,
  replayed = false,
): Order => ({
  id,
  customerId,
  status: OrderStatus[status],
  total: toMoney(total),
  paymentId,
  failureReason: failure?.reason,
  replayed,
});

const toPayment = ({ id, status, amount, declineReason, refunds }: PaymentMessage): Payment => ({
  id,
  status: PaymentStatus[status],
  amount: toMoney(amount),
  declineReason,
  refunds: refunds.map((refund) => ({
    id: refund.id,
    amount: toMoney(refund.amount),
    status: RefundStatus[refund.status],
  })),
});

function known<T>(value: T | undefined): T {
  if (value === undefined) throw new Error("a part of the answer is missing");
  return value;
}

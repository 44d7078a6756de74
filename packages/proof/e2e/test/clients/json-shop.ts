import type { Money } from "@tercet/service";
import { CallFailure, type Order, type Payment, type Product, type Shop } from "./shop.ts";

/**
 * A message in proto3 JSON: 64-bit integers are strings, enums are names, and fields with their
 * default value are absent.
 */
export type Json = Readonly<Record<string, unknown>>;

export interface CallOptions {
  readonly token: string | undefined;
  readonly timeoutMs?: number | undefined;
}

/**
 * A client without generated code: it knows methods by their paths
 * ("order.v1.OrderService/GetOrder") and messages as JSON. Throws CallFailure.
 */
export interface Wire {
  unary(
    method: string,
    message: Json,
    options: CallOptions,
  ): Promise<{ message: Json; replayed: boolean }>;
  stream(method: string, message: Json, options: CallOptions): AsyncIterable<Json>;
}

const IDENTITY = "identity.v1.IdentityService";
const CATALOG = "order.v1.CatalogService";
const ORDERS = "order.v1.OrderService";
const PAYMENTS = "payment.v1.PaymentService";

/**
 * The shop by literal paths and literal JSON, as written by someone who has read only the
 * contracts.
 */
export function jsonShop(wire: Wire, token: string | undefined): Shop {
  const call = async <Answer>(method: string, message: Json): Promise<Answer> =>
    (await wire.unary(method, message, { token })).message as Answer;
  const requestId = () => crypto.randomUUID();
  return {
    register: (user) => call(`${IDENTITY}/Register`, { ...user, requestId: requestId() }),
    login: ({ email, password }) => call(`${IDENTITY}/Login`, { email, password }),
    listProducts: async (page) => {
      const answer = await call<ProductListJson>(`${CATALOG}/ListProducts`, { ...page });
      return {
        products: (answer.products ?? []).map(toProduct),
        nextPageToken: answer.nextPageToken ?? "",
      };
    },
    putProduct: async ({ sku, name, price, stock }) => {
      const product = {
        sku,
        name,
        stock: String(stock),
        price: { currencyCode: price.currencyCode, minorUnits: String(price.minorUnits) },
      };
      return toProduct(await call(`${CATALOG}/PutProduct`, { product, requestId: requestId() }));
    },
    createOrder: async ({ requestId, sku, quantity, paymentToken }, options) => {
      const request = {
        requestId,
        items: [{ sku, quantity }],
        paymentMethod: { token: paymentToken },
      };
      const { message, replayed } = await wire.unary(`${ORDERS}/CreateOrder`, request, {
        token,
        ...options,
      });
      return toOrder(message as unknown as OrderJson, replayed);
    },
    getOrder: async (orderId) => toOrder(await call(`${ORDERS}/GetOrder`, { orderId })),
    listOrders: async () =>
      ((await call<{ orders?: OrderJson[] }>(`${ORDERS}/ListOrders`, {})).orders ?? []).map(
        (order) => toOrder(order),
      ),
    cancelOrder: async (orderId) =>
      toOrder(await call(`${ORDERS}/CancelOrder`, { orderId, requestId: requestId() })),
    async *watchOrder(orderId) {
      for await (const message of wire.stream(`${ORDERS}/WatchOrder`, { orderId }, { token }))
        yield toOrder(message["order"] as OrderJson);
    },
    getPayment: async (paymentId) => toPayment(await call(`${PAYMENTS}/GetPayment`, { paymentId })),
  };
}

interface MoneyJson {
  readonly currencyCode: string;
  readonly minorUnits?: string;
}
interface ProductJson {
  readonly sku: string;
  readonly name: string;
  readonly price: MoneyJson;
  readonly stock?: string;
}
interface ProductListJson {
  readonly products?: ProductJson[];
  readonly nextPageToken?: string;
}
interface OrderJson {
  readonly id: string;
  readonly customerId: string;
  readonly status: string;
  readonly total: MoneyJson;
  readonly paymentId: string;
  readonly failure?: { readonly reason: string };
}
interface PaymentJson {
  readonly id: string;
  readonly status: string;
  readonly amount: MoneyJson;
  readonly declineReason?: string;
  readonly refunds?: { readonly id: string; readonly amount: MoneyJson; readonly status: string }[];
}

const toMoney = ({ currencyCode, minorUnits }: MoneyJson): Money => ({
  currencyCode,
  minorUnits: toBigInt(minorUnits),
});

/** A number here would mean that a 64-bit integer was sent as one, and may have lost digits. */
function toBigInt(text: string | undefined): bigint {
  if (text !== undefined && typeof text !== "string")
    throw new TypeError(`a 64 bit integer came as a ${typeof text}`);
  return BigInt(text ?? 0);
}

const toProduct = ({ sku, name, price, stock }: ProductJson): Product => ({
  sku,
  name,
  price: toMoney(price),
  stock: toBigInt(stock),
});

const toOrder = (
  { id, customerId, status, total, paymentId, failure }: OrderJson,
  replayed = false,
): Order => ({
  id,
  customerId,
  status: status.replace("ORDER_STATUS_", ""),
  total: toMoney(total),
  paymentId,
  failureReason: failure?.reason,
  replayed,
});

const toPayment = ({ id, status, amount, declineReason, refunds = [] }: PaymentJson): Payment => ({
  id,
  status: status.replace("PAYMENT_STATUS_", ""),
  amount: toMoney(amount),
  declineReason,
  refunds: refunds.map((refund) => ({
    ...refund,
    amount: toMoney(refund.amount),
    status: refund.status.replace("REFUND_STATUS_", ""),
  })),
});

/** An error in Connect's JSON; `buf curl` prints the same. */
export interface ErrorJson {
  readonly code: string;
  readonly message?: string;
  readonly details?: readonly { readonly type: string; readonly value: string }[];
}

export function toFailure({ code, message = "", details = [] }: ErrorJson): CallFailure {
  const info = details.find(({ type }) => type === "common.v1.ErrorInfo");
  return new CallFailure(code, info && reasonIn(Buffer.from(info.value, "base64")), message);
}

/**
 * Reads the first field of a `common.v1.ErrorInfo` by hand: a tag, a length below 128, the text.
 */
export function reasonIn(errorInfo: Uint8Array): string {
  const [tag, length = 0] = errorInfo;
  if (tag !== 0x0a || length > 127) throw new Error("the ErrorInfo does not begin with a reason");
  return Buffer.from(errorInfo.subarray(2, 2 + length)).toString();
}

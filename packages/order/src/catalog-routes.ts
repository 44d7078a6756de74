import type { ConnectRouter } from "@connectrpc/connect";
import {
  AdjustStockRequestSchema,
  CatalogService,
  PutProductRequestSchema,
} from "@tercet/gen/order/v1/catalog_service";
import {
  decodePageToken,
  invalidField,
  markReplayed,
  once,
  pageSize,
  toPage,
  toRequest,
  violates,
} from "@tercet/service";
import { OrderError } from "./errors.ts";
import { toProductMessage } from "./message.ts";
import { MAX_STOCK, requireProduct, unknownSku } from "./order.ts";
import type { OrderDeps } from "./order-deps.ts";

/** As in catalog_service.proto. */
const SKU = /^[A-Z0-9][A-Z0-9-]{0,39}$/;

/** The handlers of order.v1.CatalogService. */
export function catalogRoutes({ store }: Pick<OrderDeps, "store">) {
  const productMessage = async (sku: string) => {
    const [product] = await store.findProducts([sku]);
    return toProductMessage(requireProduct(product, sku));
  };
  return (router: ConnectRouter): void => {
    router.service(CatalogService, {
      async listProducts(message) {
        const size = pageSize(message.pageSize);
        const rows = await store.listProducts(decodePageToken(message.pageToken, SKU), size + 1);
        const page = toPage(rows, size, (product) => product.sku);
        return { products: page.rows.map(toProductMessage), nextPageToken: page.nextPageToken };
      },

      async putProduct(message, context) {
        const { sku = "", name = "", description = "", price, stock = 0n } = message.product ?? {};
        const { currencyCode = "", minorUnits = 0n } = price ?? {};
        if (minorUnits === 0n)
          throw invalidField("product.price.minor_units", "must be more than 0");
        const product = { sku, name, description, price: { currencyCode, minorUnits }, stock };
        const request = toRequest(context, PutProductRequestSchema, message, sku);
        const result = await once(store, request, () => store.putProduct(request, product));
        if (result.kind === "unchanged")
          throw new OrderError("CURRENCY_MISMATCH", "a product keeps its currency", { sku });
        if (result.kind === "replayed") markReplayed(context);
        return productMessage(sku);
      },

      async adjustStock(message, context) {
        const { sku, delta } = message;
        const request = toRequest(context, AdjustStockRequestSchema, message, sku);
        const result = await once(store, request, () =>
          store.adjustStock(request, sku, delta),
        ).catch(stockTooLow(sku));
        if (result.kind === "unchanged") {
          const [product] = await store.findProducts([sku]);
          throw product === undefined ? unknownSku(sku) : stockTooLarge(sku);
        }
        if (result.kind === "replayed") markReplayed(context);
        return productMessage(sku);
      },
    });
  };
}

const stockTooLarge = (sku: string) =>
  new OrderError("STOCK_TOO_LARGE", `the stock of ${sku} would exceed ${MAX_STOCK}`, { sku });

const stockTooLow = (sku: string) => (error: unknown) => {
  if (violates(error, "products_stock_not_negative"))
    throw new OrderError("OUT_OF_STOCK", `the stock of ${sku} would fall below 0`, { sku });
  throw error;
};

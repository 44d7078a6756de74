import type { ServiceImpl } from "@connectrpc/connect";
import {
  AdjustStockRequestSchema,
  type CatalogService,
  PutProductRequestSchema,
} from "@tercet/gen/order/v1/catalog_service";
import {
  decodePageToken,
  invalidField,
  isCheckViolation,
  pageSize,
  type Sql,
  toPage,
} from "@tercet/service";
import { adjustStock, findProducts, listProducts, putProduct } from "./catalog-store.ts";
import { OrderError } from "./errors.ts";
import { toProductMessage } from "./message.ts";
import { once, toRequest } from "./requests.ts";

const SKU = /^[A-Z0-9-]{1,40}$/;

export function catalogRoutes(sql: Sql): ServiceImpl<typeof CatalogService> {
  const productMessage = async (sku: string) => {
    const [product] = await findProducts(sql, [sku]);
    if (product === undefined) throw unknownSku(sku);
    return toProductMessage(product);
  };
  return {
    async listProducts({ pageSize: requested, pageToken }) {
      const size = pageSize(requested);
      const rows = await listProducts(sql, decodePageToken(pageToken, SKU), size + 1);
      const page = toPage(rows, size, (product) => product.sku);
      return { products: page.rows.map(toProductMessage), nextPageToken: page.nextPageToken };
    },

    async putProduct(message, context) {
      const { sku = "", name = "", description = "", price, stock = 0n } = message.product ?? {};
      const { currencyCode: currency = "", minorUnits = 0n } = price ?? {};
      if (minorUnits === 0n) throw invalidField("product.price.minor_units", "must be more than 0");
      const request = toRequest(context, PutProductRequestSchema, message, sku);
      const product = { sku, name, description, currency, price: minorUnits, stock };
      const changed = await once(sql, context, request, () => putProduct(sql, request, product));
      if (changed === undefined)
        throw new OrderError("CURRENCY_MISMATCH", "a product keeps its currency", { sku });
      return productMessage(sku);
    },

    async adjustStock(message, context) {
      const { sku, delta } = message;
      const request = toRequest(context, AdjustStockRequestSchema, message, sku);
      const changed = await once(sql, context, request, () =>
        adjustStock(sql, request, sku, delta),
      ).catch(tooLittle(sku));
      if (changed === undefined) throw unknownSku(sku);
      return productMessage(sku);
    },
  };
}

const unknownSku = (sku: string) =>
  new OrderError("UNKNOWN_SKU", `there is no product ${sku}`, { sku });

const tooLittle = (sku: string) => (error: unknown) => {
  if (isCheckViolation(error, "products_stock_not_negative"))
    throw new OrderError("OUT_OF_STOCK", `the stock of ${sku} would fall below 0`, { sku });
  throw error;
};

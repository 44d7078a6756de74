import type { PricedProduct } from "./order.ts";
import type { OrderStore } from "./store.ts";

const MAX_PRODUCTS = 10_000;

/**
 * Remembers products as they were read last, so that most orders are placed without reading them.
 * They may have changed since, here or in another process. `insertOrder` compares, so no order has
 * another price than the product; a refusal needs the products as they are.
 */
export class ProductCache {
  readonly #store: Pick<OrderStore, "findProducts">;
  /** By SKU; what was read first comes first. */
  readonly #known = new Map<string, PricedProduct>();

  constructor(store: Pick<OrderStore, "findProducts">) {
    this.#store = store;
  }

  /** Returns the products as they were; undefined unless all of them are known. */
  recall(skus: readonly string[]): readonly PricedProduct[] | undefined {
    const known = skus.flatMap((sku) => this.#known.get(sku) ?? []);
    return known.length === skus.length ? known : undefined;
  }

  /** Resolves to the products as they are. Those that do not exist are left out. */
  async read(skus: readonly string[]): Promise<readonly PricedProduct[]> {
    const products = await this.#store.findProducts(skus);
    for (const sku of skus) this.#known.delete(sku);
    for (const { sku, name, price } of products) this.#known.set(sku, { sku, name, price });
    for (const sku of this.#known.keys()) {
      if (this.#known.size <= MAX_PRODUCTS) break;
      this.#known.delete(sku);
    }
    return products;
  }
}

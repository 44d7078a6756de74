import type { Api } from "@tercet/stack";

const STOCK = 1_000_000_000n;

/** Many, since orders for one product wait for each other. */
export const PRODUCTS = Array.from({ length: 64 }, (_, n) => ({
  sku: `BENCH-${n}`,
  name: `Benchmark ${n}`,
  price: { currencyCode: "EUR", minorUnits: 1_999n },
}));

export const anyProduct = () =>
  PRODUCTS[Math.floor(Math.random() * PRODUCTS.length)] as (typeof PRODUCTS)[number];

/** Puts all of them in the catalog, with more stock than is ever sold. */
export async function putProducts({ catalog }: Pick<Api, "catalog">): Promise<void> {
  for (const { sku, name, price } of PRODUCTS) {
    const product = { sku, name, price, stock: STOCK };
    await catalog.putProduct({ product, requestId: crypto.randomUUID() });
  }
}

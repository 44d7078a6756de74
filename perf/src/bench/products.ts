/** Many, since orders for one product wait for each other. */
export const PRODUCTS = Array.from({ length: 64 }, (_, n) => ({
  sku: `BENCH-${n}`,
  name: `Benchmark ${n}`,
  price: { currencyCode: "EUR", minorUnits: 1_999n },
}));

export const anyProduct = () =>
  PRODUCTS[Math.floor(Math.random() * PRODUCTS.length)] as (typeof PRODUCTS)[number];

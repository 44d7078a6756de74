import type { Api } from "@tercet/stack";

/** Creates a product that no other test buys; resolves to its SKU. */
export async function putTeapots({ catalog }: Api, stock: bigint): Promise<string> {
  const sku = `Z-${crypto.randomUUID().slice(0, 18).toUpperCase()}`;
  const product = {
    sku,
    name: "Teapot",
    price: { currencyCode: "EUR", minorUnits: 1_999n },
    stock,
  };
  await catalog.putProduct({ product, requestId: crypto.randomUUID() });
  return sku;
}

/** Returns a request for one of them. */
export const aTeapot = (sku: string, token = "tok_visa") => ({
  requestId: crypto.randomUUID() as string,
  items: [{ sku, quantity: 1 }],
  paymentMethod: { token },
});

import type { Api } from "@tercet/stack";

/** A product that nobody else buys, with so many pieces; answers its SKU. */
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

/** The request for one of them. */
export const aTeapot = (sku: string, token = "tok_visa") => ({
  requestId: crypto.randomUUID() as string,
  items: [{ sku, quantity: 1 }],
  paymentMethod: { token },
});

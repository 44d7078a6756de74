import { Code, ConnectError } from "@connectrpc/connect";
import { v5 as uuidv5 } from "uuid";
import { logIn } from "./api.ts";
import { type SeedProduct, seedProducts } from "./catalog.ts";
import { StackError } from "./errors.ts";

/** Any constant. */
const NAMESPACE = "8d1f8f0e-31f5-4c33-9b0a-0c5b6d0f7a11";

/**
 * Puts the seed's products into the catalog. The request's id is derived from the product, so a
 * second call replays the first and keeps what an operator has changed since.
 */
export async function seedCatalog(
  url: string,
  operator: { readonly email: string; readonly password: string },
): Promise<void> {
  const { catalog } = await logIn(url, operator).catch((error: unknown) => {
    if (ConnectError.from(error).code !== Code.Unauthenticated) throw error;
    throw new StackError(
      `${operator.email} has another password in the database than in secrets.json: use the database and the DATA_DIR that belong together`,
    );
  });
  await Promise.all(
    seedProducts.map((product) =>
      catalog.putProduct({ product: toProduct(product), requestId: requestIdOf(product) }),
    ),
  );
}

const toProduct = ({ sku, name, description, cents, stock }: SeedProduct) => ({
  sku,
  name,
  description,
  stock,
  price: { currencyCode: "EUR", minorUnits: cents },
});

const requestIdOf = ({ sku, name, description, cents, stock }: SeedProduct): string =>
  uuidv5([sku, name, description, cents, stock].join("\n"), NAMESPACE);

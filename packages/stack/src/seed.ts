import { Code, ConnectError } from "@connectrpc/connect";
import { v5 as uuidv5 } from "uuid";
import { type Api, logIn } from "./api.ts";
import { type SeedProduct, seedProducts } from "./catalog.ts";
import { StackError } from "./errors.ts";

/** Any constant. */
const NAMESPACE = "8d1f8f0e-31f5-4c33-9b0a-0c5b6d0f7a11";

const PAGE_SIZE = 100;
const TIMEOUT = { timeoutMs: 15_000 };

/**
 * Puts the seed's products into the catalog that are not there yet. Those that are there stay as
 * they are: an operator may have changed them.
 */
export async function seedCatalog(
  url: string,
  operator: { readonly email: string; readonly password: string },
): Promise<void> {
  try {
    const { catalog } = await logIn(url, operator);
    const existing = await skusIn(catalog);
    await Promise.all(
      seedProducts
        .filter(({ sku }) => !existing.has(sku))
        .map((product) => catalog.putProduct(requestOf(product), TIMEOUT)),
    );
  } catch (error) {
    if (!(error instanceof ConnectError)) throw error;
    const problem =
      error.code === Code.Unauthenticated
        ? `${operator.email} has another password in the database than in secrets.json: use the database and the DATA_DIR that belong together`
        : `the catalog cannot be filled: ${error.rawMessage}`;
    throw new StackError(problem, { cause: error });
  }
}

async function skusIn(catalog: Api["catalog"]): Promise<ReadonlySet<string>> {
  const skus = new Set<string>();
  let pageToken = "";
  do {
    const page = await catalog.listProducts({ pageSize: PAGE_SIZE, pageToken }, TIMEOUT);
    for (const { sku } of page.products) skus.add(sku);
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  return skus;
}

/** Its id is derived from the product: stacks that fill one catalog at once put it there once. */
const requestOf = (product: SeedProduct) => ({
  product: toProduct(product),
  requestId: requestIdOf(product),
});

const toProduct = ({ sku, name, description, cents, stock }: SeedProduct) => ({
  sku,
  name,
  description,
  stock,
  price: { currencyCode: "EUR", minorUnits: cents },
});

const requestIdOf = ({ sku, name, description, cents, stock }: SeedProduct): string =>
  uuidv5([sku, name, description, cents, stock].join("\n"), NAMESPACE);

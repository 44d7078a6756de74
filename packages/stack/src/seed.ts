import { Code, ConnectError } from "@connectrpc/connect";
import { type Api, logIn } from "./api.ts";
import { readSeed } from "./catalog.ts";
import { StackError } from "./errors.ts";

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
      readSeed()
        .filter(({ product }) => !existing.has(product?.sku ?? ""))
        .map((request) => catalog.putProduct(request, TIMEOUT)),
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

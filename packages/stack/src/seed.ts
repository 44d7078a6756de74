import { setTimeout as sleep } from "node:timers/promises";
import { Code, ConnectError } from "@connectrpc/connect";
import { type Api, logIn } from "./api.ts";
import { readSeed } from "./catalog.ts";
import { StackError } from "./errors.ts";

const PAGE_SIZE = 100;
const TIMEOUT = { timeoutMs: 15_000 };
/** For a service that refuses calls because it has just started on a busy machine. */
const PATIENCE_MS = 15_000;
const RETRY_MS = 250;

interface Operator {
  readonly email: string;
  readonly password: string;
}

/**
 * Puts the seed's products into the catalog that are not there yet. Those that are there stay as
 * they are: an operator may have changed them. What a service refuses is tried again for a while.
 */
export async function seedCatalog(url: string, operator: Operator): Promise<void> {
  const end = performance.now() + PATIENCE_MS;
  for (;;) {
    try {
      return await putMissing(url, operator);
    } catch (error) {
      if (!isRefused(error) || performance.now() > end) throw failure(error, operator);
      await sleep(RETRY_MS);
    }
  }
}

async function putMissing(url: string, operator: Operator): Promise<void> {
  const { catalog } = await logIn(url, operator);
  const existing = await skusIn(catalog);
  const missing = readSeed().filter(({ product }) => !existing.has(product?.sku ?? ""));
  await Promise.all(missing.map((request) => catalog.putProduct(request, TIMEOUT)));
}

const isRefused = (error: unknown): boolean =>
  error instanceof ConnectError && [Code.Unavailable, Code.ResourceExhausted].includes(error.code);

function failure(error: unknown, { email }: Operator): unknown {
  if (!(error instanceof ConnectError)) return error;
  const problem =
    error.code === Code.Unauthenticated
      ? `${email} has another password in the database than in secrets.json: use the database and the DATA_DIR that belong together`
      : `the catalog cannot be filled: ${error.rawMessage}`;
  return new StackError(problem, { cause: error });
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

import { Code, ConnectError } from "@connectrpc/connect";
import { logIn } from "./api.ts";
import { readSeed } from "./catalog.ts";
import { StackError } from "./errors.ts";

/** Puts the seed's products into the catalog. */
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
  await Promise.all(readSeed().map((request) => catalog.putProduct(request)));
}

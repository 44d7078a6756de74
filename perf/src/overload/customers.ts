import { createApi, logIn, type Stack } from "@tercet/stack";
import { putProducts } from "../bench/products.ts";

/** So many that no one has more than a share. */
const CUSTOMERS = 16;

/** Registers customers, and returns a token of each. */
export async function customers(stack: Stack): Promise<string[]> {
  const { identity } = createApi(stack.urls.edge);
  await putProducts(await logIn(stack.urls.edge, stack.users.olivia));
  const tokens: string[] = [];
  for (let n = 0; n < CUSTOMERS; n++) {
    const user = { email: `customer-${n}@example.com`, password: "a password of a customer" };
    await identity.register({ ...user, displayName: "Cy", requestId: crypto.randomUUID() });
    tokens.push((await identity.login(user)).accessToken);
  }
  return tokens;
}

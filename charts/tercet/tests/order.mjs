// `helm test`: a new customer logs in and places an order, which must be CONFIRMED. With
// OPERATOR_PASSWORD the seeded operator puts the product into the catalog; without it, what the
// catalog has must do. IDENTITY_URL, ORDER_URL: where customers come in; CATALOG_URL: Order itself,
// for the operator. Connects again for WAIT_SECONDS, 30 by default: network plugins begin to let a
// new pod through a while after it has started.
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";

const { IDENTITY_URL, ORDER_URL, CATALOG_URL, OPERATOR_PASSWORD } = process.env;
const TIMEOUT_MS = 30_000;
const PAUSE_MS = 500;
const deadline = Date.now() + Number(process.env.WAIT_SECONDS ?? "30") * 1_000;
for (const url of new Set([IDENTITY_URL, ORDER_URL, CATALOG_URL])) await reachable(url);

const sku = OPERATOR_PASSWORD ? await stockProduct() : await findProduct();
const email = `helm-test-${randomUUID()}@example.com`;
const password = randomUUID();
await identity("Register", { email, password, displayName: "Helm test", requestId: randomUUID() });
const token = await logIn(email, password);
const order = await call(
  ORDER_URL,
  "order.v1.OrderService/CreateOrder",
  { requestId: randomUUID(), items: [{ sku, quantity: 1 }], paymentMethod: { token: "tok_visa" } },
  token,
);
process.stdout.write(`order ${order.id} of 1 ${sku}: ${order.status}\n`);
if (order.status !== "ORDER_STATUS_CONFIRMED") {
  process.stdout.write(`${JSON.stringify(order, null, 2)}\n`);
  process.exit(1);
}

/** Any response will do. */
async function reachable(url) {
  for (;;) {
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    const failure = await fetch(url, { signal }).then(({ body }) => body?.cancel(), String);
    if (failure === undefined) return;
    if (Date.now() > deadline) throw new Error(`${url} cannot be reached: ${failure}`);
    await sleep(PAUSE_MS);
  }
}

async function stockProduct() {
  const operator = await logIn("olivia@example.com", OPERATOR_PASSWORD);
  const product = {
    sku: "HELM-TEST",
    name: "Helm test",
    description: "",
    stock: "1000",
    price: { currencyCode: "EUR", minorUnits: "100" },
  };
  await call(
    CATALOG_URL,
    "order.v1.CatalogService/PutProduct",
    { product, requestId: randomUUID() },
    operator,
  );
  return product.sku;
}

async function findProduct() {
  const { products = [] } = await call(ORDER_URL, "order.v1.CatalogService/ListProducts", {
    pageSize: 100,
  });
  const inStock = products.find(({ stock = "0" }) => BigInt(stock) > 0n);
  if (inStock === undefined)
    throw new Error("the catalog has nothing in stock: an operator must put something there first");
  return inStock.sku;
}

async function logIn(email, password) {
  return (await identity("Login", { email, password })).accessToken;
}

function identity(method, message) {
  return call(IDENTITY_URL, `identity.v1.IdentityService/${method}`, message);
}

async function call(url, method, message, token) {
  const response = await fetch(`${url}/${method}`, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      ...(token && { authorization: `Bearer ${token}` }),
    },
    body: JSON.stringify(message),
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} at ${url}: ${response.status} ${text}`);
  return JSON.parse(text);
}

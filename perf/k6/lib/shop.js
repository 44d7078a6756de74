import exec from "k6/execution";
import { call, callAll } from "./rpc.js";
import { begin } from "./session.js";
import { OPERATOR_EMAIL, secret } from "./target.js";

/** A shop that does not run out: as many of each as stock can be. */
export const SHELF = Array.from({ length: 10 }, (_, index) => `LOAD-${index}`);
export const SOLD_OUT = "LOAD-SOLD-OUT";
export const PRICE = 1250;
const FULL = 1_000_000_000;

/**
 * Hashing a password takes a core for 35 ms: a few customers log in before the measurement, and
 * none during it.
 */
const CUSTOMERS = 10;
/** The service lets one account have four logins under way; each of these is of another one. */
const AT_ONCE = 5;

/**
 * Before the measurement: fills the shelves, and logs in a session for every user there will be. A
 * refresh token is used once, so they cannot share one. @returns {{ sessions:
 * import("./session.js").Session[] }}
 */
export function setup() {
  stock();
  const customers = register();
  const sessions = inTurn(
    sessionsNeeded(),
    (index) => customers[index % CUSTOMERS],
    "identity.v1.IdentityService/Login",
  );
  return { sessions: sessions.map(begin) };
}

function stock() {
  const { accessToken } = call("identity.v1.IdentityService/Login", {
    email: OPERATOR_EMAIL,
    password: secret("OPERATOR_PASSWORD"),
  });
  for (const sku of SHELF) put(accessToken, sku, FULL);
  put(accessToken, SOLD_OUT, 0);
}

/**
 * @param {string} token
 * @param {string} sku
 * @param {number} wanted
 */
function put(token, sku, wanted) {
  const price = { currencyCode: "EUR", minorUnits: PRICE };
  const product = { sku, name: sku, description: "Of a load test.", price, stock: wanted };
  const { stock = 0 } = call(
    "order.v1.CatalogService/PutProduct",
    { product, requestId: crypto.randomUUID() },
    token,
  );
  const delta = wanted - Number(stock);
  if (delta !== 0)
    call(
      "order.v1.CatalogService/AdjustStock",
      { sku, delta, requestId: crypto.randomUUID() },
      token,
    );
}

function register() {
  const run = crypto.randomUUID();
  const customers = Array.from({ length: CUSTOMERS }, (_, index) => ({
    email: `load-${index}-${run}@example.com`,
    password: run,
  }));
  inTurn(
    CUSTOMERS,
    (index) => ({ ...customers[index], displayName: "Load", requestId: crypto.randomUUID() }),
    "identity.v1.IdentityService/Register",
  );
  return customers;
}

/**
 * @param {number} count
 * @param {(index: number) => object} message
 * @param {string} method
 */
function inTurn(count, message, method) {
  const answers = [];
  for (let from = 0; from < count; from += AT_ONCE) {
    const some = Array.from({ length: Math.min(AT_ONCE, count - from) }, (_, index) =>
      message(from + index),
    );
    answers.push(...callAll(some.map((one) => [method, one])));
  }
  return answers;
}

function sessionsNeeded() {
  const { orders } = exec.test.options.scenarios ?? {};
  const { startVUs = 0, stages } = /** @type {import("k6/options").RampingVUsScenario} */ (orders);
  return Math.max(startVUs, ...stages.map(({ target }) => target));
}

import { startTcpProxy, type TcpProxy } from "@tercet/chaos";
import { freePort } from "@tercet/cli";
import { OrderStatus } from "@tercet/gen/order/v1/order_service";
import { generateSigningKey, hashClientSecret } from "@tercet/identity";
import {
  ANY_PORT,
  createApi,
  envToConfig,
  MANY_CALLS,
  type ServiceName,
  type ServiceProcess,
  type Stack,
  startStack,
} from "@tercet/stack";
import { decodeProtectedHeader } from "jose";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { outcome } from "./calls.ts";
import { expectInvariants } from "./expect-invariants.ts";
import { readSecrets, signTokenWith } from "./forged-token.ts";
import { type TestFolder, testFolder } from "./stack.ts";

/** Of one user: Identity counts each as failed until it has succeeded, and allows five. */
const LOGINS_AT_ONCE = 4;
const BETWEEN_ORDERS_MS = 250;
/** A verifier that meets an unknown key fetches the keys at most every 30 s. */
const PROPAGATED = { timeout: 60_000, interval: 500 };
/** As short as possible: the old key must stay until its last token expires. */
const TOKEN_LIVES = { ACCESS_TOKEN_SECONDS: "10" };
/** Kept connections may make a last call before they are closed. */
const DRAIN = { DRAIN_DELAY_MS: "2000" };

type Balanced = Readonly<Record<"identity" | "order", TcpProxy>>;
type SigningKey = Awaited<ReturnType<typeof generateSigningKey>>;

let folder: TestFolder;
let proxies: Balanced;
let stack: Stack;

beforeAll(async () => {
  folder = await testFolder();
  proxies = { identity: await startTcpProxy(), order: await startTcpProxy() };
  // Fixed in advance: the services fetch keys from it while the stack starts.
  const identityPort = await freePort();
  proxies.identity.to(`http://127.0.0.1:${identityPort}`);
  const config = envToConfig({
    ...ANY_PORT,
    ...MANY_CALLS,
    IDENTITY_PORT: String(identityPort),
    DATA_DIR: folder.path,
  });
  const { identity, order, payment } = config.serviceEnv;
  const keys = { JWKS_URL: `${proxies.identity.url}/.well-known/jwks.json` };
  stack = await startStack({
    ...config,
    serviceEnv: {
      ...config.serviceEnv,
      identity: { ...identity, ...TOKEN_LIVES, ...DRAIN },
      order: { ...order, ...keys, ...DRAIN, IDENTITY_URL: proxies.identity.url },
      payment: { ...payment, ...keys },
    },
  });
  proxies.order.to(stack.urls.order);
});
afterAll(async () => {
  await stack?.[Symbol.asyncDispose]();
  await Promise.all(
    [proxies?.identity, proxies?.order].map((proxy) => proxy?.[Symbol.asyncDispose]()),
  );
  await folder?.[Symbol.asyncDispose]();
});

const running: Partial<Record<ServiceName, ServiceProcess>> = {};
const settings: Record<keyof Balanced, Record<string, string>> = { identity: {}, order: {} };

/**
 * Restarts a service as a deployment does: the new replica is ready before the old one stops.
 * Earlier changes of the environment are kept.
 */
async function restart(name: keyof Balanced, env: Readonly<Record<string, string>>): Promise<void> {
  const old = running[name];
  Object.assign(settings[name], env);
  const replica = await stack.startReplica(name, settings[name]);
  proxies[name].to(replica.url);
  running[name] = replica;
  await (old ?? stack.services[name]).stop();
}

const identityWith = (...keys: readonly SigningKey[]) =>
  restart("identity", { TOKEN_SIGNING_KEYS: JSON.stringify({ keys }) });

/**
 * Logs in and orders all the while; resolves to the failures, and to the keys that signed the
 * tokens.
 */
async function underLoad(
  work: () => Promise<void>,
): Promise<{ failures: string[]; calls: number; kids: Set<unknown> }> {
  const failures: string[] = [];
  const kids = new Set<unknown>();
  const placed: Promise<void>[] = [];
  let loggingIn = 0;
  const logIn = async () => {
    loggingIn += 1;
    try {
      return await createApi(proxies.identity.url).identity.login(stack.users.alice);
    } finally {
      loggingIn -= 1;
    }
  };
  const place = async () => {
    const { accessToken } = await logIn();
    kids.add(decodeProtectedHeader(accessToken).kid);
    const order = {
      requestId: crypto.randomUUID(),
      items: [{ sku: "FILTERS-100", quantity: 1 }],
      paymentMethod: { token: "tok_visa" },
    };
    const { status } = await createApi(proxies.order.url, accessToken).orders.createOrder(order);
    if (status !== OrderStatus.CONFIRMED) throw new Error(`the order is ${OrderStatus[status]}`);
  };
  const timer = setInterval(() => {
    if (loggingIn < LOGINS_AT_ONCE)
      placed.push(place().catch((error) => void failures.push(String(error))));
  }, BETWEEN_ORDERS_MS);
  try {
    await work();
  } finally {
    clearInterval(timer);
    await Promise.all(placed);
  }
  return { failures, calls: placed.length, kids };
}

/** Whether Order and Payment accept a token that this key signed. */
async function accepted(key: SigningKey): Promise<string[]> {
  const token = await signTokenWith(key, stack.urls.identity, {
    sub: crypto.randomUUID(),
    roles: ["operator"],
    expiresIn: 60,
  });
  return await Promise.all([
    outcome(createApi(stack.urls.payment, token).payments.listPayments({})),
    outcome(createApi(proxies.order.url, token).orders.listOrders({})),
  ]);
}

test("signing keys are rotated while orders are placed: no call fails, and the old key is refused in the end", async () => {
  const old = (await readSecrets(stack)).signingKeys.keys[0] as SigningKey;
  const fresh = await generateSigningKey();
  let lastOfOld = "";
  const { failures, calls, kids } = await underLoad(async () => {
    await identityWith(old, fresh);
    await vi.waitFor(async () => expect(await accepted(fresh)).toEqual(["ok", "ok"]), PROPAGATED);
    ({ accessToken: lastOfOld } = await createApi(proxies.identity.url).identity.login(
      stack.users.alice,
    ));
    await identityWith(fresh, old);
    const { orders } = createApi(proxies.order.url, lastOfOld);
    expect(await outcome(orders.listOrders({}))).toBe("ok");
    await vi.waitFor(
      async () => expect(await outcome(orders.listOrders({}))).toBe("Unauthenticated"),
      PROPAGATED,
    );
    await identityWith(fresh);
  });
  expect(failures).toEqual([]);
  expect(calls).toBeGreaterThan(40);
  expect(kids).toEqual(new Set([old.kid, fresh.kid]));
  const published = await fetch(`${proxies.identity.url}/.well-known/jwks.json`);
  expect(await published.json()).toMatchObject({ keys: [{ kid: fresh.kid }] });
  await expectInvariants(stack);
});

test("a service's secret is rotated while orders are placed: no call fails", async () => {
  const secret = `${crypto.randomUUID()}${crypto.randomUUID()}`;
  const [secretHash, previousSecretHash] = [
    secret,
    (await readSecrets(stack)).orderClientSecret,
  ].map(hashClientSecret);
  const client = { id: "order", audiences: ["payment"], secretHash };
  const request = { clientId: "order", audience: "payment" };
  const withSecret = (clientSecret: string) =>
    createApi(proxies.identity.url).identity.issueServiceToken({ ...request, clientSecret });
  const { failures, calls } = await underLoad(async () => {
    const { accessToken: before } = await withSecret((await readSecrets(stack)).orderClientSecret);
    await restart("identity", {
      SERVICE_CLIENTS: JSON.stringify([{ ...client, previousSecretHash }]),
    });
    // When an earlier token has expired, Order has had to fetch another one, with its old secret.
    const { payments } = createApi(stack.urls.payment, before);
    const paymentId = crypto.randomUUID();
    await vi.waitFor(
      async () => expect(await outcome(payments.getPayment({ paymentId }))).toBe("Unauthenticated"),
      PROPAGATED,
    );
    await restart("order", { SERVICE_CLIENT_SECRET: secret });
    await restart("identity", { SERVICE_CLIENTS: JSON.stringify([client]) });
  });
  expect(failures).toEqual([]);
  expect(calls).toBeGreaterThan(5);
  expect(await outcome(withSecret(secret))).toBe("ok");
  expect(await outcome(withSecret((await readSecrets(stack)).orderClientSecret))).toBe(
    "Unauthenticated",
  );
  await expectInvariants(stack);
});

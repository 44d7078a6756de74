import { join } from "node:path";
import { startTcpProxy, type TcpProxy } from "@tercet/chaos";
import { freePort } from "@tercet/cli";
import type { Order } from "@tercet/gen/order/v1/order_service";
import { connectPostgres, type Sql } from "@tercet/service";
import {
  type Api,
  createApi,
  loadSecrets,
  logIn,
  type Stack,
  type StackProcess,
} from "@tercet/stack";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { CallRecorder, outcome, PATIENCE } from "./calls.ts";
import { expectInvariants } from "./expect-invariants.ts";
import { patient } from "./patience.ts";
import { loggedErrors } from "./service-log.ts";
import { startTestStack, type TestFolder, testFolder } from "./stack.ts";

const DEADLINE_MS = 2_000;
const DRAIN_TIMEOUT_MS = 5_000;
const RECOVERED_MS = patient(3_000);
const CLIENTS = 8;
const SETTINGS = { SAGA_LEASE_MS: "2000", DRAIN_TIMEOUT_MS: String(DRAIN_TIMEOUT_MS) };

let folder: TestFolder;
/** Between Order and its database. */
let proxy: TcpProxy;
let stack: Stack;
let postgres: StackProcess;
let aliceToken: string;
let alice: Api;
/** Not through the proxy. */
let direct: Sql;
const sku = "Z-FAULTS";
const acknowledged = new Map<string, string>();

beforeAll(async () => {
  folder = await testFolder();
  const port = await freePort();
  proxy = await startTcpProxy(`http://127.0.0.1:${port}`);
  const { postgresPassword } = await loadSecrets(join(folder.path, "secrets.json"));
  const DATABASE_URL = `postgres://tercet:${postgresPassword}@127.0.0.1:${proxy.port}/orders`;
  stack = await startTestStack(
    folder,
    { ...SETTINGS, POSTGRES_PORT: String(port) },
    { DATABASE_URL },
  );
  postgres = stack.postgres as StackProcess;
  direct = connectPostgres(stack.databaseUrls.order, { applicationName: "test" });
  ({ accessToken: aliceToken } = await createApi(stack.urls.edge).identity.login(
    stack.users.alice,
  ));
  alice = createApi(stack.urls.edge, aliceToken);
  const product = {
    sku,
    name: "Teapot",
    price: { currencyCode: "EUR", minorUnits: 1_999n },
    stock: 1_000_000n,
  };
  await (await logIn(stack.urls.edge, stack.users.olivia)).catalog.putProduct({
    product,
    requestId: crypto.randomUUID(),
  });
});
afterAll(async () => {
  await direct?.end({ timeout: 1 });
  await stack?.[Symbol.asyncDispose]();
  await proxy?.[Symbol.asyncDispose]();
  await folder?.[Symbol.asyncDispose]();
});

let recorder: CallRecorder;
beforeEach(() => {
  recorder = new CallRecorder(DEADLINE_MS);
});
/**
 * After every fault: no call took too long or failed by our fault, nothing is lost or torn, and no
 * error was logged.
 */
afterEach(async () => {
  proxy.inject();
  await postgres.start();
  expect(recorder.violations()).toEqual([]);
  await expectInvariants(stack, { acknowledged });
  expect(await loggedErrors(stack)).toEqual([]);
  expect(
    await direct`
    select pid from pg_stat_activity where state like 'idle in transaction%' and xact_start < now() - interval '5 seconds'`,
  ).toEqual([]);
});

interface Purchase {
  readonly requestId: string;
  readonly place: (api: Api, options?: { timeoutMs: number }) => Promise<Order>;
}

function purchase(token = "tok_visa"): Purchase {
  const requestId: string = crypto.randomUUID();
  const request = { requestId, items: [{ sku, quantity: 1 }], paymentMethod: { token } };
  return {
    requestId,
    place: async ({ orders }, options) => {
      const order = await orders.createOrder(request, options);
      // The same request always gives the same order.
      expect(acknowledged.get(requestId) ?? order.id).toBe(order.id);
      acknowledged.set(requestId, order.id);
      return order;
    },
  };
}

/**
 * Buys one item after the other, each until its order is acknowledged, so that no request is left
 * open at the end.
 */
async function buyUntil(over: AbortSignal, token: string): Promise<void> {
  while (!over.aborted) {
    const { place } = purchase(token);
    await vi.waitFor(
      async () => expect(await recorder.call((options) => place(alice, options))).toBeDefined(),
      {
        timeout: 30_000,
        interval: 20,
      },
    );
  }
}

/** Places orders without pause while `fault` lasts, and until orders succeed as before. */
async function underLoad(fault: () => Promise<void>): Promise<void> {
  const over = new AbortController();
  const clients = Promise.all(
    Array.from({ length: CLIENTS }, (_, n) =>
      buyUntil(over.signal, n === 0 ? "tok_declined" : "tok_visa"),
    ),
  );
  try {
    await goesOn();
    await fault();
    const ended = performance.now();
    await goesOn();
    expect(performance.now() - ended).toBeLessThan(RECOVERED_MS);
  } finally {
    over.abort();
    await clients;
  }
}

/** Waits until twice as many orders as there are clients have succeeded from now on. */
async function goesOn(): Promise<void> {
  const before = recorder.count("ok");
  await vi.waitFor(
    () => expect(recorder.count("ok")).toBeGreaterThan(before + 2 * CLIENTS),
    PATIENCE,
  );
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

const readiness = async () => (await fetch(`${stack.urls.order}/health/ready`)).status;

/** D1 */
test("PostgreSQL is stopped at once, three times, under load", async () => {
  // Longer than a statement waits for a session, so that the answer comes before the deadline.
  recorder = new CallRecorder(patient(5_000));
  await underLoad(async () => {
    for (let stop = 0; stop < 3; stop++) {
      await postgres.kill("SIGQUIT");
      await postgres.ready();
      await goesOn();
    }
  });
  expect(recorder.calls.filter(({ code }) => code !== "ok" && code !== "Unavailable")).toEqual([]);
});

/** D2 */
test("a storm ends a third of all sessions every 30 ms, under load", async () => {
  const STORM_MS = 3_000;
  let ended = 0;
  await underLoad(async () => {
    const began = performance.now();
    // Grouped statements need few sessions: the storm lasts until it has met enough of them.
    while (performance.now() - began < STORM_MS || ended < 100) {
      const sessions = await direct`
        select pg_terminate_backend(pid) from pg_stat_activity
        where datname in ('identity', 'orders', 'payments') and application_name <> 'test' and random() < 0.33`;
      ended += sessions.length;
      await pause(30);
    }
  });
});

/** D3 */
describe("the network drops everything between Order and its database", () => {
  test("under load, for longer than any statement may take", async () => {
    await underLoad(async () => {
      proxy.inject({ blackHole: true });
      await vi.waitFor(async () => expect(await readiness()).toBe(503), {
        timeout: 2_000,
        interval: 50,
      });
      await pause(7_500);
      proxy.inject();
    });
    expect(
      recorder.count("Unavailable") +
        recorder.count("DeadlineExceeded") +
        recorder.count("ResourceExhausted"),
    ).toBeGreaterThan(0);
  });

  test("a process that is stopped meanwhile ends within its drain time-out", async () => {
    const replica = await stack.startReplica("order");
    const api = createApi(replica.url, aliceToken);
    const slow = purchase("tok_slow");
    const answer = recorder.call((options) => slow.place(api, options));
    // Its saga is running.
    await vi.waitFor(
      async () =>
        expect(
          await direct`select from requests where request_id = ${slow.requestId}`,
        ).toHaveLength(1),
      PATIENCE,
    );
    proxy.inject({ blackHole: true });
    const started = performance.now();
    expect(await replica.stop()).toBe("exit code 0");
    expect(performance.now() - started).toBeLessThan(DRAIN_TIMEOUT_MS + patient(500));
    proxy.inject();
    await answer;
    await vi.waitFor(
      async () =>
        expect(await recorder.call((options) => slow.place(alice, options))).toBeDefined(),
      PATIENCE,
    );
  });
});

/** D4 */
test("PostgreSQL is down: Order is not ready within two seconds, calls fail in time, and it recovers by itself", async () => {
  // Longer than a statement waits for a session, so that the answer comes before the deadline.
  recorder = new CallRecorder(patient(5_000));
  await postgres.stop();
  const stopped = performance.now();
  const calls = Array.from({ length: 30 }, () => purchase()).map(({ place }) =>
    recorder.call((options) => place(alice, options)),
  );
  await vi.waitFor(async () => expect(await readiness()).toBe(503), {
    timeout: 5_000,
    interval: 20,
  });
  expect(performance.now() - stopped).toBeLessThan(patient(2_000));
  await Promise.all(calls);
  expect(new Set(recorder.calls.map(({ code }) => code))).toEqual(new Set(["Unavailable"]));
  await postgres.start();
  const back = performance.now();
  await vi.waitFor(async () => expect(await readiness()).toBe(200), PATIENCE);
  const { place } = purchase();
  await vi.waitFor(
    async () => expect(await recorder.call((options) => place(alice, options))).toBeDefined(),
    PATIENCE,
  );
  expect(performance.now() - back).toBeLessThan(RECOVERED_MS);
});

/** D7 */
describe("PostgreSQL has run out", () => {
  test("of disk: orders are refused as unavailable, and succeed once there is space", async () => {
    await direct.unsafe(`
      create function full_disk() returns trigger language plpgsql as $$ begin raise sqlstate '53100'; end $$;
      create trigger full_disk before insert on orders execute function full_disk()`);
    const { place, requestId } = purchase();
    await recorder.call((options) => place(alice, options));
    expect(recorder.calls.at(-1)).toMatchObject({ code: "Unavailable", reason: "UNAVAILABLE" });
    expect(await direct`select from requests where request_id = ${requestId}`).toEqual([]);
    await direct.unsafe("drop function full_disk() cascade");
    expect(await recorder.call((options) => place(alice, options))).toBeDefined();
  });

  test("of connections: no service crashes, and orders succeed once there are some", async () => {
    const pids = [
      stack.services.identity.pid,
      stack.services.order.pid,
      stack.services.payment.pid,
    ];
    const crowd: Sql[] = [];
    const takeAll = async () => {
      let one: Sql;
      do {
        one = connectPostgres(stack.databaseUrls.order, { max: 1, applicationName: "crowd" });
        crowd.push(one);
      } while ((await outcome(one`select 1`)) === "ok");
    };
    await takeAll();
    const [first = direct] = crowd;
    await first`select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'order'`;
    await takeAll();
    expect(crowd.length).toBeGreaterThan(150);
    const { place } = purchase();
    await recorder.call((options) => place(alice, options));
    await Promise.all(crowd.map((sql) => sql.end({ timeout: 1 })));
    await vi.waitFor(
      async () => expect(await recorder.call((options) => place(alice, options))).toBeDefined(),
      PATIENCE,
    );
    expect([
      stack.services.identity.pid,
      stack.services.order.pid,
      stack.services.payment.pid,
    ]).toEqual(pids);
  });
});

/** D8 */
test("a table is locked: calls beyond the queue are refused at once, and the replica keeps its lease", async () => {
  const POOL_SIZE = 3;
  const replica = await stack.startReplica("order", { DATABASE_POOL_SIZE: String(POOL_SIZE) });
  const api = createApi(replica.url, aliceToken);
  // Longer than a call waits for a session, so that it is answered, and stays in the queue.
  recorder = new CallRecorder(10_000);
  const list = () => recorder.call((options) => api.catalog.listProducts({}, options));
  const fill = () => Array.from({ length: 1 + POOL_SIZE * 100 }, list);
  // Code that runs for the first time is slow, and the queue is full for 2 s at most.
  for (let round = 0; round < 3; round++) await Promise.all(fill());
  // Until it is cancelled below; on a slow machine that long at most.
  const lock = outcome(direct.unsafe("lock table products; select pg_sleep(4)").then(() => {}));
  await vi.waitFor(
    async () =>
      expect(
        await direct`select from pg_locks where relation = 'products'::regclass and mode = 'AccessExclusiveLock' and granted`,
      ).toHaveLength(1),
    PATIENCE,
  );
  // One of them waits for the lock, the others for a session.
  const calls = fill();
  await vi.waitFor(async () => {
    await list();
    expect(recorder.calls.at(-1)).toMatchObject({
      code: "ResourceExhausted",
      reason: "DATABASE_BUSY",
    });
  });
  const excess = new CallRecorder(DEADLINE_MS);
  for (let n = 0; n < 10; n++)
    await excess.call((options) => api.catalog.listProducts({}, options));
  expect(excess.count("ResourceExhausted")).toBe(10);
  const [fastest, , , , , median] = excess.calls.map(({ ms }) => ms).sort((a, b) => a - b);
  expect([fastest, median]).toSatisfy((times: number[]) => times.every((ms) => ms < patient(50)));
  // By the database's clock: no other replica may take its sagas.
  const [{ quiet } = { quiet: Number.POSITIVE_INFINITY }] = await direct<{ quiet: number }[]>`
    select max(extract(epoch from now() - seen_at))::float8 as quiet from workers where seen_at > now() - interval '20 seconds' and name like ${`%:${replica.pid}`}`;
  expect(quiet).toBeLessThan(2);
  expect((await fetch(`${replica.url}/health/ready`)).status).toBe(200);
  await direct`select pg_cancel_backend(pid) from pg_stat_activity where query like 'lock table products%'`;
  await Promise.all([...calls, lock]);
  expect(await list()).toBeDefined();
  await replica.stop();
});

/** C3 */
test("the reply to the commit of an order is lost: the order is found, not placed again", async () => {
  const { place, requestId } = purchase();
  const dropped = proxy.dropReply((bytes) => bytes.includes(requestId));
  const first = await recorder.call((options) => place(alice, options));
  await dropped;
  expect(["ok", "Unavailable"]).toContain(recorder.calls.at(-1)?.code);
  const again = await place(alice);
  if (first !== undefined) expect(again.id).toBe(first.id);
  expect(await direct`select resource_id from requests where request_id = ${requestId}`).toEqual([
    { resourceId: again.id },
  ]);
});

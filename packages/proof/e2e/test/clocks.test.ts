import { hostname } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { Code } from "@connectrpc/connect";
import { readSnapshot } from "@tercet/audit";
import { isTakeOver } from "@tercet/chaos";
import { connectPostgres, type Sql } from "@tercet/service";
import { createApi, type ServiceProcess, type Stack } from "@tercet/stack";
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from "vitest";
import { isLate, outcome, PATIENCE, persistently } from "./calls.ts";
import { expectInvariants } from "./expect-invariants.ts";
import { patient } from "./patience.ts";
import { startTestStack, type TestFolder, testFolder } from "./stack.ts";

const LEASE_MS = 1_000;
const TWO_HOURS_MS = 7_200_000;
/** While Payment is frozen its callers wait, and keep their sagas. */
const SETTINGS = { SAGA_LEASE_MS: String(LEASE_MS), SAGA_STEP_TIMEOUT_MS: "20000" };
/** Enough to place an order. */
const SHORT = { timeoutMs: patient(1_000) };
/** Some are retried after a delay that the database keeps. */
const TOKENS = ["tok_visa", "tok_flaky", "tok_visa", "tok_flaky"];

let folder: TestFolder;
let stack: Stack;
let sql: Sql;
let token: string;

beforeAll(async () => {
  folder = await testFolder();
  stack = await startTestStack(folder, SETTINGS);
  sql = connectPostgres(stack.databaseUrls.order, { max: 1 });
  token = await login();
  // It would take sagas over, too.
  await stack.services.order.stop();
});
afterAll(async () => {
  await sql?.end({ timeout: 1 });
  await stack?.[Symbol.asyncDispose]();
  await folder?.[Symbol.asyncDispose]();
});

const login = async () =>
  (await createApi(stack.urls.edge).identity.login(stack.users.alice)).accessToken;
const workerOf = ({ pid }: ServiceProcess): string => `${hostname()}:${pid}`;
const freezePayment = (signal: "SIGSTOP" | "SIGCONT") =>
  process.kill(stack.services.payment.pid ?? 0, signal);

/** Starts a replica whose clock is wrong as soon as `jump` resolves. */
async function startJumping(jumpMs: number) {
  const fixture = new URL("./clock-jump.mjs", import.meta.url);
  const replica = await stack.startReplica("order", {
    NODE_OPTIONS: `--import ${fixture}`,
    CLOCK_JUMP_MS: String(jumpMs),
  });
  const call = (accessToken: string) =>
    outcome(createApi(replica.url, accessToken).orders.listOrders({}));
  expect(await call(token)).toBe("ok");
  const jump = async () => {
    replica.kill("SIGUSR2");
    // To this clock, tokens that are not cached have expired or are from the future.
    await vi.waitFor(
      async () => expect(await call(await login())).toBe(Code[Code.Unauthenticated]),
      PATIENCE,
    );
  };
  return { replica, jump };
}

/** Places orders whose charge gets no reply for now; resolves to the ids of their sagas. */
async function pending(at: ServiceProcess): Promise<string[]> {
  const { orders } = createApi(at.url, token);
  const place = (paymentToken: string) => {
    const order = {
      requestId: crypto.randomUUID(),
      items: [{ sku: "FILTERS-100", quantity: 1 }],
      paymentMethod: { token: paymentToken },
    };
    return persistently(() => orders.createOrder(order, SHORT), isLate);
  };
  const ids = (await Promise.all(TOKENS.map(place))).map(({ id }) => id);
  const sagas = await sql<{ id: string }[]>`
    select id from sagas where state = 'RUNNING' and subject in (select o::uuid from jsonb_array_elements_text(${sql.json(ids)}) as o)`;
  expect(sagas).toHaveLength(TOKENS.length);
  return sagas.map(({ id }) => id);
}

/** The take-overs of each saga, in order, with the worker and the database's time. */
async function takeOvers(sagas: readonly string[]): Promise<{ worker: string; at: number }[][]> {
  const ours = (await readSnapshot(stack)).sagas.filter(({ id }) => sagas.includes(id));
  return ours.map(({ events }) =>
    events.filter(isTakeOver).map(({ worker, time }) => ({ worker, at: Date.parse(time) })),
  );
}

/** Kills the holder, and expects the heir to have every saga within the lease and a second. */
async function inherit(
  sagas: readonly string[],
  holder: ServiceProcess,
  heir: ServiceProcess,
): Promise<void> {
  const [row] = await sql<
    { ms: number }[]
  >`select (extract(epoch from clock_timestamp()) * 1000)::float8 as ms`;
  holder.kill();
  await vi.waitFor(async () => {
    for (const some of await takeOvers(sagas)) expect(some.at(-1)?.worker).toBe(workerOf(heir));
  }, PATIENCE);
  for (const some of await takeOvers(sagas))
    expect((some.at(-1)?.at ?? 0) - (row?.ms ?? 0)).toBeLessThan(LEASE_MS + patient(1_000));
}

test.each([
  ["forward", TWO_HOURS_MS],
  ["back", -TWO_HOURS_MS],
])(
  "the clock of a replica jumps two hours %s: it keeps its sagas, loses them when it dies, takes others' over and ends them",
  async (_direction, jumpMs) => {
    const right = await stack.startReplica("order");
    const first = await startJumping(jumpMs);
    freezePayment("SIGSTOP");
    onTestFinished(() => void freezePayment("SIGCONT"));
    const sagas = await pending(first.replica);
    await first.jump();
    // Time for what must not happen.
    await sleep(LEASE_MS * 2);
    expect((await takeOvers(sagas)).flat()).toEqual([]);
    await inherit(sagas, first.replica, right);

    const second = await startJumping(jumpMs);
    await second.jump();
    await inherit(sagas, right, second.replica);
    freezePayment("SIGCONT");
    await expectInvariants(stack);
    for (const { id, events } of (await readSnapshot(stack)).sagas)
      if (sagas.includes(id))
        expect(events.at(-1)).toMatchObject({
          step: "allocate",
          outcome: "SUCCEEDED",
          worker: workerOf(second.replica),
        });
    await second.replica.stop();
  },
);

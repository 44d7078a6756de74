import { setTimeout as sleep } from "node:timers/promises";
import { connectPostgres, type Sql } from "@tercet/service";
import { createApi, logIn, type Stack } from "@tercet/stack";
import { compareAll } from "./compare.ts";
import { startBenchStack } from "./processes.ts";
import { anyProduct, putProducts } from "./products.ts";
import type { Results } from "./report.ts";
import type { BenchOptions } from "./rounds.ts";

/** Milliseconds from the kill. */
interface Round {
  /** Until the killed process serves again; 0 if another one takes its place. */
  readonly readyMs: number;
  /** Until the first of its orders moved, and the last. */
  readonly firstMs: number;
  readonly settledMs: number;
}

const FIGURES = {
  "ready again, ms": ({ readyMs }: Round) => readyMs,
  "first order settled, ms": ({ firstMs }: Round) => firstMs,
  "all settled, ms": ({ settledMs }: Round) => settledMs,
};
const ORDERS = 16;
const POLL_MS = 5;

/**
 * Measures how long orders wait when the Order process that works on them is killed: until it has
 * started again itself, and until another replica has taken them over.
 */
export async function benchRecovery(options: BenchOptions): Promise<Results> {
  const { rounds, signal, onProgress } = options;
  await using resources = new AsyncDisposableStack();
  onProgress("starting a stack");
  const stack = resources.use(await startBenchStack(options, "recovery"));
  const sql = connectPostgres(stack.databaseUrls.order, { applicationName: "bench", max: 2 });
  resources.defer(() => sql.end({ timeout: 1 }));
  await putProducts(await logIn(stack.urls.edge, stack.users.olivia));
  const { accessToken } = await createApi(stack.urls.edge).identity.login(stack.users.alice);
  const restarted: Round[] = [];
  const takenOver: Round[] = [];
  for (let round = 1; round <= rounds; round++) {
    signal.throwIfAborted();
    onProgress(`round ${round} of ${rounds}: started again`);
    restarted.push(await killed(stack, sql, stack.urls.order, accessToken, stack.services.order));
    onProgress(`round ${round} of ${rounds}: taken over`);
    const replica = await stack.startReplica("order");
    const kill = async () => {
      replica.kill("SIGKILL");
      await replica.exited;
    };
    takenOver.push(await killed(stack, sql, replica.url, accessToken, { kill }));
  }
  return {
    "an Order process with 16 open orders is killed": compareAll<Round>(
      { "it is started again": restarted, "another replica takes over": takenOver },
      FIGURES,
    ),
  };
}

/** A process of Order; `ready` resolves when it has started again, if it does. */
interface Victim {
  kill(): Promise<unknown>;
  ready?(): Promise<void>;
}

/** Opens orders at a process of Order, which wait for Payment; kills it, and lets Payment go on. */
async function killed(
  { services }: Stack,
  sql: Sql,
  url: string,
  token: string,
  victim: Victim,
): Promise<Round> {
  const { orders } = createApi(url, token);
  const place = () =>
    orders.createOrder({
      requestId: crypto.randomUUID(),
      items: [{ sku: anyProduct().sku, quantity: 1 }],
      paymentMethod: { token: "tok_visa" },
    });
  // Until now all calls go well: its tokens and connections are there.
  await place();
  const payment = services.payment.pid ?? 0;
  process.kill(payment, "SIGSTOP");
  const placed = Promise.allSettled(Array.from({ length: ORDERS }, place));
  while ((await open(sql)) < ORDERS) await sleep(POLL_MS);
  const start = performance.now();
  const passed = () => performance.now() - start;
  await victim.kill();
  process.kill(payment, "SIGCONT");
  let readyMs = 0;
  const ready = victim.ready?.().then(() => {
    readyMs = passed();
  });
  let firstMs: number | undefined;
  for (let left = ORDERS; left > 0; await sleep(POLL_MS)) {
    left = await open(sql);
    if (left < ORDERS) firstMs ??= passed();
  }
  const settledMs = passed();
  await Promise.all([ready, placed]);
  return { readyMs, firstMs: firstMs ?? settledMs, settledMs };
}

async function open(sql: Sql): Promise<number> {
  const [row] = await sql<{ open: number }[]>`
    select count(*)::int as open from sagas where state in ('RUNNING', 'COMPENSATING')`;
  return row?.open ?? 0;
}

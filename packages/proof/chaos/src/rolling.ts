import { type Distribution, distribution } from "@tercet/cli";
import type { ServiceName } from "@tercet/stack";
import { startBalancer } from "./balancer.ts";
import { type CallStream, openCallStreams } from "./call-streams.ts";
import { Fleet } from "./fleet.ts";
import { Shopper } from "./shopper.ts";
import { auditAtRest, type RunOptions, startSystem } from "./system.ts";

export interface RollingOptions extends RunOptions {
  /** How many times every replica is replaced. */
  readonly rounds: number;
}

export interface RollingResult {
  readonly replaced: number;
  /** With the log of their calls. */
  readonly streams: readonly Pick<CallStream, "name" | "log">[];
  /** Milliseconds from SIGTERM to the end of the process. */
  readonly drainMs: Distribution;
  readonly orders: number;
  readonly breaches: readonly string[];
}

const REPLACED = ["payment", "order"] as const satisfies readonly ServiceName[];
const REPLICAS = 2;
const ENV = {
  /**
   * Many times what the balancer takes to notice, and long enough for most kept connections to have
   * a last call.
   */
  DRAIN_DELAY_MS: "3000",
  /** Longer than a call may take. */
  DRAIN_TIMEOUT_MS: "15000",
  /** Connections are renewed all the time. */
  MAX_CONNECTION_AGE_MS: "3000",
};
const STOP_WITHIN_MS = 25_000;
const BETWEEN_CALLS_MS = 100;
const CALL_TIMEOUT_MS = 10_000;
const SKU = "ROLLING";

/**
 * Replaces two replicas each of Order and Payment one by one, as a Deployment with maxSurge 1 and
 * maxUnavailable 0 does: the new replica is ready before the old one gets SIGTERM, which the
 * balancer notices only by its probes. Meanwhile calls are made over kept connections, none of
 * which may fail. Throws StackError when a process cannot be started.
 */
export async function runRolling(options: RollingOptions): Promise<RollingResult> {
  const { dataDir, rounds, signal, onProgress } = options;
  await using resources = new AsyncDisposableStack();
  const order = resources.use(await startBalancer());
  const payment = resources.use(await startBalancer());
  const stack = resources.use(
    await startSystem({
      dataDir,
      paymentUrl: payment.url,
      stock: { [SKU]: 1_000_000n },
      replaced: REPLACED,
      signal,
    }),
  );
  const breaches: string[] = [];
  const fleet = resources.use(
    await Fleet.start({
      stack,
      sizes: { payment: REPLICAS, order: REPLICAS },
      env: ENV,
      route: (service, urls) => (service === "order" ? order : payment).serve(urls, signal),
      onUnexpectedExit: (service, exit) =>
        void breaches.push(`a replica of ${service} ended with ${exit}`),
    }),
  );
  const shopper = new Shopper({ stack, orderUrl: () => order.url });
  const first = await shopper.place(
    { sku: SKU, token: "tok_visa" },
    { timeoutMs: CALL_TIMEOUT_MS, signal },
  );
  const streams = openCallStreams({
    orderUrl: order.url,
    paymentUrl: payment.url,
    shopper,
    sku: SKU,
    paymentId: first?.paymentId ?? "",
  });
  const drains: number[] = [];
  await underLoad(streams, async () => {
    for (let round = 1; round <= rounds; round++)
      for (const service of REPLACED)
        for (let n = 0; n < REPLICAS; n++) {
          signal.throwIfAborted();
          drains.push(await fleet.replaceOldest(service, STOP_WITHIN_MS));
          const calls = streams.flatMap(({ log }) => log.tookMs).length;
          const failed = streams.flatMap(({ log }) => log.breaches).length;
          onProgress(`round ${round}: ${drains.length} replaced, ${calls} calls, ${failed} failed`);
        }
  });
  const { snapshot, breaches: found } = await auditAtRest(stack, shopper.acknowledged);
  const idle = streams.filter(({ log }) => log.tookMs.length === 0);
  return {
    replaced: drains.length,
    streams,
    drainMs: distribution(drains),
    orders: snapshot.orders.length,
    breaches: [
      ...breaches,
      ...streams.flatMap(({ log }) => log.breaches),
      ...idle.map(({ name }) => `${name}: no call was made`),
      ...found,
    ],
  };
}

async function underLoad(streams: readonly CallStream[], work: () => Promise<void>): Promise<void> {
  const over = new AbortController();
  const running = streams.map((stream) => stream.run(BETWEEN_CALLS_MS, over.signal));
  try {
    await work();
  } finally {
    over.abort();
    await Promise.all(running);
    for (const stream of streams) stream[Symbol.dispose]();
  }
}

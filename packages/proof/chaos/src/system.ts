import { findViolations, readSnapshot, type Snapshot, untilSettled } from "@tercet/audit";
import type { ProgressListener } from "@tercet/cli";
import type { Env } from "@tercet/service";
import {
  ANY_PORT,
  envToConfig,
  logIn,
  MANY_CALLS,
  type ServiceName,
  type Stack,
  startStack,
} from "@tercet/stack";

export interface RunOptions {
  /** For databases, logs and the provider's book. */
  readonly dataDir: string;
  readonly signal: AbortSignal;
  /** Is called with a line, and with the name of the phase if there are phases. */
  readonly onProgress: (line: string, phase?: string) => void;
}

export interface SystemOptions extends Pick<RunOptions, "dataDir" | "signal"> {
  /** For every service. */
  readonly env?: Env;
  /** The address of Payment for Order, unless its own. */
  readonly paymentUrl?: string;
  /** Products to sell: the stock of each SKU. */
  readonly stock: Readonly<Record<string, bigint>>;
  /** Services whose own process is stopped, since a fleet runs others. */
  readonly replaced: readonly ServiceName[];
  readonly listener?: ProgressListener;
}

const SETTLED_WITHIN_MS = 30_000;

/**
 * Starts a stack at free ports, which sells these products and restarts nothing by itself. Throws
 * StackError when a process cannot be started.
 */
export async function startSystem(options: SystemOptions): Promise<Stack> {
  const { dataDir, env, paymentUrl, stock, replaced, ...start } = options;
  await using starting = new AsyncDisposableStack();
  const config = envToConfig({ ...ANY_PORT, ...MANY_CALLS, DATA_DIR: dataDir, ...env });
  const { order } = config.serviceEnv;
  const serviceEnv = {
    ...config.serviceEnv,
    order: { ...order, ...(paymentUrl !== undefined && { PAYMENT_URL: paymentUrl }) },
  };
  const stack = starting.use(await startStack({ ...config, serviceEnv, supervise: false }, start));
  await stockUp(stack, stock);
  await Promise.all(replaced.map((service) => stack.services[service].stop()));
  starting.move();
  return stack;
}

async function stockUp({ urls, users }: Stack, products: SystemOptions["stock"]): Promise<void> {
  const { catalog } = await logIn(urls.edge, users.olivia);
  const price = { currencyCode: "EUR", minorUnits: 1_999n };
  for (const [sku, stock] of Object.entries(products))
    await catalog.putProduct({
      product: { sku, name: sku, price, stock },
      requestId: crypto.randomUUID(),
    });
}

/** Waits until nothing is open, by default for 30 s, and audits what is stored then. */
export async function auditAtRest(
  stack: Stack,
  acknowledged?: ReadonlyMap<string, string>,
  withinMs = SETTLED_WITHIN_MS,
  signal?: AbortSignal,
): Promise<{ readonly snapshot: Snapshot; readonly breaches: readonly string[] }> {
  const open = await untilSettled(stack, withinMs, signal);
  const snapshot = await readSnapshot(stack);
  return { snapshot, breaches: [...open, ...findViolations(snapshot, acknowledged)] };
}

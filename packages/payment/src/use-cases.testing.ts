import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createLogger } from "@tercet/service";
import { testDatabase } from "@tercet/service/testing";
import { inject } from "vitest";
import { readBook } from "./book.ts";
import { openPaymentStore } from "./connect-store.ts";
import type { PaymentDeps } from "./payment-deps.ts";
import type { PaymentProvider } from "./provider.ts";
import { Simulator } from "./simulator.ts";
import type { PaymentStore } from "./store.ts";
import type { ChargeRequest } from "./use-cases.ts";

export const LIMIT = 100_000n;
const PROVIDER_TIMEOUT_MS = 10_000;
const IMPATIENT_MS = Math.ceil(150 * inject("timeFactor"));
const IDLE_MS = 8 * IMPATIENT_MS;

/** The dependencies of the use cases: a real database, a simulated provider with its own book. */
export interface Setting extends AsyncDisposable {
  readonly deps: PaymentDeps;
  readonly bookDir: string;
  /** The log lines, JSON. */
  readonly lines: readonly string[];
  /** The book's entries of a payment: "charge 1000", "refund 400", "decline 1000". */
  moves(paymentId: string): Promise<string[]>;
}

export async function openSetting(): Promise<Setting> {
  const database = await testDatabase();
  const store = await openPaymentStore(database.url);
  const bookDir = await mkdtemp(join(tmpdir(), "payments-"));
  const provider = await Simulator.open({ bookDir, limitMinorUnits: LIMIT });
  const lines: string[] = [];
  const log = createLogger(
    { name: "payment", level: "debug" },
    { write: (line) => lines.push(line) },
  );
  return {
    deps: {
      store,
      provider,
      log,
      providerTimeoutMs: PROVIDER_TIMEOUT_MS,
      idleMs: IDLE_MS,
      refundFeedDelayMs: 0,
    },
    bookDir,
    lines,
    moves: (paymentId) => moves(bookDir, paymentId),
    [Symbol.asyncDispose]: async () => {
      await store[Symbol.asyncDispose]();
      await database[Symbol.asyncDispose]();
      await rm(bookDir, { recursive: true });
    },
  };
}

/** For calls that the provider does not respond to. */
export const impatient = (deps: PaymentDeps): PaymentDeps => ({
  ...deps,
  providerTimeoutMs: IMPATIENT_MS,
});

async function moves(bookDir: string, paymentId: string): Promise<string[]> {
  const entries = (await readBook(bookDir)).filter(
    (entry) => (entry.kind === "refund" ? entry.chargeKey : entry.key) === paymentId,
  );
  return entries.map(({ kind, amount }) => `${kind} ${amount.minorUnits}`);
}

export function aChargeRequest(
  change: { minorUnits?: bigint; token?: string; paymentId?: string; fingerprint?: string } = {},
): ChargeRequest {
  const {
    minorUnits = 1_000n,
    token = "tok_visa",
    paymentId = crypto.randomUUID(),
    fingerprint = "f",
  } = change;
  const amount = { currencyCode: "EUR", minorUnits };
  return {
    paymentId,
    token,
    charge: { orderId: crypto.randomUUID(), customerId: crypto.randomUUID(), amount, fingerprint },
  };
}

export class Crash extends Error {}

type Part = PaymentStore | PaymentProvider;

/**
 * Returns the part, changed so that the process "dies" at the first call of `method`: before it, or
 * after it and before its result is known.
 */
export function crashingAt<P extends Part>(part: P, method: keyof P, when: "before" | "after"): P {
  let crashed = false;
  const call = async (...args: unknown[]) => {
    const die = !crashed;
    crashed = true;
    if (die && when === "before") throw new Crash();
    const result = await (part[method] as (...args: unknown[]) => unknown).apply(part, args);
    if (die) throw new Crash();
    return result;
  };
  return new Proxy(part, {
    get: (target, name) => {
      if (name === method) return call;
      const value = Reflect.get(target, name, target) as unknown;
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

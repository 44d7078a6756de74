import { access } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Money } from "@tercet/service";
import * as book from "./book.ts";
import { isSameAmount } from "./payment.ts";
import {
  type PaymentProvider,
  type ProviderCharge,
  ProviderOutcomeUnknownError,
  ProviderRefusedError,
  ProviderUnavailableError,
} from "./provider.ts";

/** What a payment token makes the provider do. */
interface Script {
  readonly decline?: book.DeclineEntry["reason"];
  /** Never responds and charges nothing. */
  readonly silent?: boolean;
  /** Charges, but the reply to that call is lost. */
  readonly loseReply?: boolean;
  /** How many calls fail before one succeeds. */
  readonly failures?: number;
  readonly delayMs?: number;
  readonly refundsFail?: boolean;
}

const SCRIPTS: ReadonlyMap<string, Script> = new Map([
  ["tok_visa", {}],
  ["tok_declined", { decline: "CARD_DECLINED" }],
  ["tok_insufficient_funds", { decline: "INSUFFICIENT_FUNDS" }],
  ["tok_timeout_then_success", { loseReply: true }],
  ["tok_timeout", { silent: true }],
  ["tok_flaky", { failures: 2 }],
  ["tok_slow", { delayMs: 2_000 }],
  ["tok_refund_fails", { refundsFail: true }],
]);
/** `tok_visa_17` is another card than `tok_visa`, and does the same. */
const CARD_NUMBER = /_\d+$/;
const UNKNOWN_TOKEN: Script = { decline: "CARD_DECLINED" };

/** Whether a first call for a key may fail or wait, which a repeated one does not. */
const isFaulty = ({ silent, failures, delayMs }: Script): boolean =>
  Boolean(silent || failures || delayMs);

/** While a file of this name is in the book's folder, refunds of `tok_refund_fails` work. */
export const REFUNDS_WORK = "refunds-work";

export interface SimulatorOptions {
  /** The folder of the provider's book, created if missing. Processes may share it. */
  readonly bookDir: string;
  /** Amounts of at least this many minor units, in any currency, are declined: LIMIT_EXCEEDED. */
  readonly limitMinorUnits: bigint;
}

/**
 * A provider that moves money in a book of its own (`book.ts`) and injects the faults that its test
 * tokens name.
 */
export class Simulator implements PaymentProvider {
  readonly #dir: string;
  readonly #limit: bigint;
  /** Failed calls by key, of this process only: a token may fail again in another process. */
  readonly #failures = new Map<string, number>();
  #ping: Promise<void> | undefined;

  private constructor({ bookDir, limitMinorUnits }: SimulatorOptions) {
    this.#dir = bookDir;
    this.#limit = limitMinorUnits;
  }

  static async open(options: SimulatorOptions): Promise<Simulator> {
    await book.openBook(options.bookDir);
    return new Simulator(options);
  }

  async charge(
    key: string,
    amount: Money,
    token: string,
    signal: AbortSignal,
  ): Promise<ProviderCharge> {
    const script = SCRIPTS.get(token.replace(CARD_NUMBER, "")) ?? UNKNOWN_TOKEN;
    if (isFaulty(script)) {
      const known = await reach(book.findCharge(this.#dir, key));
      if (known !== undefined) return toCharge(requireSameAmount(known, amount));
      await this.#injectFaults(key, script, signal);
    }
    const { entry, written } = await reach(
      book.append(this.#dir, this.#decide(key, amount, script)),
    );
    if (written && script.loseReply) await untilAborted(signal);
    return toCharge(requireSameAmount(entry, amount));
  }

  async refund(key: string, chargeKey: string, amount: Money): Promise<{ reference: string }> {
    const known = await reach(book.findRefund(this.#dir, key));
    if (known !== undefined) return requireSameAmount(known, amount);
    const charge = await reach(book.findCharge(this.#dir, chargeKey));
    if (charge?.kind !== "charge") throw new Error("the provider has no such charge");
    if (charge.refundsFail && !(await this.#refundsWork()))
      throw new ProviderRefusedError("it does not refund this charge for now");
    const reference = `re_${crypto.randomUUID()}`;
    const refund = { kind: "refund", key, chargeKey, amount, reference, time: new Date() } as const;
    const { entry } = await reach(book.append<book.RefundEntry>(this.#dir, refund));
    return requireSameAmount(entry, amount);
  }

  async find(key: string): Promise<ProviderCharge | undefined> {
    const entry = await reach(book.findCharge(this.#dir, key));
    return entry && toCharge(entry);
  }

  /** One check at a time: on a file system that hangs, further calls wait for the first. */
  async ping(): Promise<void> {
    this.#ping ??= book.checkBook(this.#dir).finally(() => {
      this.#ping = undefined;
    });
    await this.#ping;
  }

  async #injectFaults(key: string, script: Script, signal: AbortSignal): Promise<void> {
    if (script.silent) await untilAborted(signal);
    if (script.delayMs !== undefined)
      await delay(script.delayMs, undefined, { signal }).catch(failUnknown);
    const failed = this.#failures.get(key) ?? 0;
    if (failed < (script.failures ?? 0)) {
      this.#failures.set(key, failed + 1);
      throw new ProviderUnavailableError("the provider failed before it did anything");
    }
    this.#failures.delete(key);
  }

  #decide(key: string, amount: Money, script: Script): book.ChargeEntry | book.DeclineEntry {
    const time = new Date();
    const reason =
      script.decline ?? (amount.minorUnits >= this.#limit ? "LIMIT_EXCEEDED" : undefined);
    if (reason !== undefined) return { kind: "decline", key, amount, reason, time };
    const reference = `ch_${crypto.randomUUID()}`;
    return { kind: "charge", key, amount, reference, refundsFail: !!script.refundsFail, time };
  }

  async #refundsWork(): Promise<boolean> {
    return access(join(this.#dir, REFUNDS_WORK)).then(
      () => true,
      () => false,
    );
  }
}

/** A book that cannot be read or written moves no money: ProviderUnavailableError. */
async function reach<T>(operation: Promise<T>): Promise<T> {
  try {
    return await operation;
  } catch (error) {
    if (!(error instanceof Error && "syscall" in error)) throw error;
    throw new ProviderUnavailableError("the provider's book is not available", { cause: error });
  }
}

function toCharge(entry: book.ChargeEntry | book.DeclineEntry): ProviderCharge {
  const { amount } = entry;
  return entry.kind === "decline"
    ? { outcome: "declined", reason: entry.reason, amount }
    : { outcome: "approved", reference: entry.reference, amount };
}

/** Providers refuse a key that is repeated with another amount. */
function requireSameAmount<E extends book.BookEntry>(entry: E, amount: Money): E {
  if (!isSameAmount(entry.amount, amount))
    throw new Error("the provider has seen this key with another amount");
  return entry;
}

function failUnknown(cause: unknown): never {
  throw new ProviderOutcomeUnknownError("the provider timed out", { cause });
}

async function untilAborted(signal: AbortSignal): Promise<never> {
  if (!signal.aborted)
    await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
  return failUnknown(signal.reason);
}

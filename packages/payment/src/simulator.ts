import { access } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Money } from "@tercet/service";
import {
  append,
  type BookEntry,
  type ChargeEntry,
  type DeclineEntry,
  findCharge,
  findRefund,
  openBook,
  type RefundEntry,
} from "./book.ts";
import {
  type PaymentProvider,
  type ProviderCharge,
  ProviderUnavailableError,
  UnknownOutcomeError,
} from "./provider.ts";

/** How the provider treats a payment token. */
interface Script {
  readonly decline?: DeclineEntry["reason"];
  /** Never answers; nothing is charged. */
  readonly silent?: boolean;
  /** Charges, and the answer to the call that charged is lost. */
  readonly loseAnswer?: boolean;
  /** How many calls fail, each for sure, before one works. */
  readonly failures?: number;
  readonly delayMs?: number;
  readonly refundsFail?: boolean;
}

const SCRIPTS: ReadonlyMap<string, Script> = new Map([
  ["tok_visa", {}],
  ["tok_declined", { decline: "CARD_DECLINED" }],
  ["tok_insufficient_funds", { decline: "INSUFFICIENT_FUNDS" }],
  ["tok_timeout_then_success", { loseAnswer: true }],
  ["tok_timeout", { silent: true }],
  ["tok_flaky", { failures: 2 }],
  ["tok_slow", { delayMs: 2_000 }],
  ["tok_refund_fails", { refundsFail: true }],
]);
const UNKNOWN_TOKEN: Script = { decline: "CARD_DECLINED" };

/** While a file of this name lies in the book's folder, the refunds of `tok_refund_fails` work. */
export const REFUNDS_WORK = "refunds-work";

export interface SimulatorOptions {
  /** The folder of the provider's book; made when it is not there. Processes may share it. */
  readonly bookDir: string;
  /** Amounts of this many minor units and more are declined for LIMIT_EXCEEDED, in any currency. */
  readonly limitMinorUnits: bigint;
}

/**
 * A provider that moves money in a book of its own (`book.ts`), and misbehaves as its test tokens
 * say.
 */
export class Simulator implements PaymentProvider {
  readonly #dir: string;
  readonly #limit: bigint;
  /** Failed calls by key; of this process only, so a token may fail again in another one. */
  readonly #failures = new Map<string, number>();

  private constructor({ bookDir, limitMinorUnits }: SimulatorOptions) {
    this.#dir = bookDir;
    this.#limit = limitMinorUnits;
  }

  static async open(options: SimulatorOptions): Promise<Simulator> {
    await openBook(options.bookDir);
    return new Simulator(options);
  }

  async charge(
    key: string,
    amount: Money,
    token: string,
    signal: AbortSignal,
  ): Promise<ProviderCharge> {
    const known = await findCharge(this.#dir, key);
    if (known !== undefined) return answer(sameRequest(known, amount));
    const script = SCRIPTS.get(token) ?? UNKNOWN_TOKEN;
    await this.#misbehave(key, script, signal);
    const { entry, written } = await append(this.#dir, this.#decide(key, amount, script));
    if (written && script.loseAnswer) await untilAborted(signal);
    return answer(sameRequest(entry, amount));
  }

  async refund(key: string, chargeKey: string, amount: Money): Promise<{ reference: string }> {
    const known = await findRefund(this.#dir, key);
    if (known !== undefined) return { reference: sameRequest(known, amount).reference };
    const charge = await findCharge(this.#dir, chargeKey);
    if (charge?.kind !== "charge") throw new Error("the provider has no such charge");
    if (charge.refundsFail && !(await this.#refundsWork()))
      throw new ProviderUnavailableError("the provider does not refund this charge for now");
    const reference = `re_${crypto.randomUUID()}`;
    const refund: RefundEntry = {
      kind: "refund",
      key,
      chargeKey,
      amount,
      reference,
      time: new Date(),
    };
    const { entry } = await append(this.#dir, refund);
    return { reference: sameRequest(entry, amount).reference };
  }

  async find(key: string): Promise<ProviderCharge | undefined> {
    const entry = await findCharge(this.#dir, key);
    return entry && answer(entry);
  }

  /** What the token makes happen before the provider decides. */
  async #misbehave(key: string, script: Script, signal: AbortSignal): Promise<void> {
    if (script.silent) await untilAborted(signal);
    if (script.delayMs !== undefined)
      await delay(script.delayMs, undefined, { signal }).catch(unknownOutcome);
    const failed = this.#failures.get(key) ?? 0;
    if (failed < (script.failures ?? 0)) {
      this.#failures.set(key, failed + 1);
      throw new ProviderUnavailableError("the provider failed before it did anything");
    }
    this.#failures.delete(key);
  }

  #decide(key: string, amount: Money, script: Script): ChargeEntry | DeclineEntry {
    const time = new Date();
    const reason =
      script.decline ?? (amount.minorUnits >= this.#limit ? "LIMIT_EXCEEDED" : undefined);
    if (reason !== undefined) return { kind: "decline", key, amount, reason, time };
    return {
      kind: "charge",
      key,
      amount,
      reference: `ch_${crypto.randomUUID()}`,
      refundsFail: script.refundsFail ?? false,
      time,
    };
  }

  async #refundsWork(): Promise<boolean> {
    return access(join(this.#dir, REFUNDS_WORK)).then(
      () => true,
      () => false,
    );
  }
}

function answer(entry: ChargeEntry | DeclineEntry): ProviderCharge {
  if (entry.kind === "decline")
    return { outcome: "declined", reason: entry.reason, amount: entry.amount };
  return { outcome: "approved", reference: entry.reference, amount: entry.amount };
}

/** Providers refuse a key that comes back with another amount. */
function sameRequest<E extends BookEntry>(entry: E, amount: Money): E {
  const same =
    entry.amount.minorUnits === amount.minorUnits &&
    entry.amount.currencyCode === amount.currencyCode;
  if (!same) throw new Error("the provider has seen this key with another amount");
  return entry;
}

function unknownOutcome(cause: unknown): never {
  throw new UnknownOutcomeError("the provider did not answer in time", { cause });
}

async function untilAborted(signal: AbortSignal): Promise<never> {
  if (!signal.aborted)
    await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
  return unknownOutcome(signal.reason);
}

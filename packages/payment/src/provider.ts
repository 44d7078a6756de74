import type { Money } from "@tercet/service";
import type { DeclineReason } from "./payment.ts";

/** What the provider made of a charge. A decline is an answer. */
export type ProviderCharge =
  | { readonly outcome: "approved"; readonly reference: string; readonly amount: Money }
  | {
      readonly outcome: "declined";
      readonly reason: Exclude<DeclineReason, "ABANDONED">;
      readonly amount: Money;
    };

/**
 * Who really moves the money. Every call is idempotent by its key: a repeated one answers as the
 * first did and moves nothing. Calls end, with UnknownOutcomeError, when their signal aborts.
 */
export interface PaymentProvider {
  /** Throws UnknownOutcomeError and ProviderUnavailableError. */
  charge(key: string, amount: Money, token: string, signal: AbortSignal): Promise<ProviderCharge>;

  /**
   * Gives back all or part of the charge with `chargeKey`. Throws UnknownOutcomeError and
   * ProviderUnavailableError.
   */
  refund(
    key: string,
    chargeKey: string,
    amount: Money,
    signal: AbortSignal,
  ): Promise<{ readonly reference: string }>;

  /**
   * The charge with this key, declined ones too; undefined when the provider has none. Throws
   * ProviderUnavailableError.
   */
  find(key: string, signal: AbortSignal): Promise<ProviderCharge | undefined>;
}

/** The answer never came: the money may have moved or not. Ask again with the same key. */
export class UnknownOutcomeError extends Error {
  override readonly name = "UnknownOutcomeError";
}

/** The provider refused to do anything for now: no money moved. Ask again with the same key. */
export class ProviderUnavailableError extends Error {
  override readonly name = "ProviderUnavailableError";
}

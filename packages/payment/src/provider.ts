import type { Money } from "@tercet/service";
import type { DeclineReason } from "./payment.ts";

/** The provider's result of a charge. A decline is a result, not an error. */
export type ProviderCharge =
  | { readonly outcome: "approved"; readonly reference: string; readonly amount: Money }
  | {
      readonly outcome: "declined";
      readonly reason: Exclude<DeclineReason, "ABANDONED">;
      readonly amount: Money;
    };

/**
 * Moves the money. Every call is idempotent by its key: a repeated call returns what the first one
 * returned and moves nothing. Calls end with ProviderOutcomeUnknownError when their signal aborts.
 */
export interface PaymentProvider {
  /** Throws ProviderOutcomeUnknownError and ProviderUnavailableError. */
  charge(key: string, amount: Money, token: string, signal: AbortSignal): Promise<ProviderCharge>;

  /**
   * Refunds all or part of the charge with `chargeKey`. Throws ProviderRefusedError,
   * ProviderOutcomeUnknownError and ProviderUnavailableError.
   */
  refund(
    key: string,
    chargeKey: string,
    amount: Money,
    signal: AbortSignal,
  ): Promise<{ readonly reference: string }>;

  /**
   * Returns the charge with this key, declined ones too; undefined if the provider has none. Throws
   * ProviderUnavailableError.
   */
  find(key: string, signal: AbortSignal): Promise<ProviderCharge | undefined>;

  /** Throws unless charges and refunds can be carried out. Called once a second. */
  ping(signal: AbortSignal): Promise<void>;
}

/** The provider did not respond: the money may have moved or not. Repeat with the same key. */
export class ProviderOutcomeUnknownError extends Error {
  override readonly name = "ProviderOutcomeUnknownError";
}

/**
 * The provider responded that it does not refund this charge, for now: no money moved. The message
 * is shown to operators and customers. Repeat with the same key once the cause is removed.
 */
export class ProviderRefusedError extends Error {
  override readonly name = "ProviderRefusedError";
}

/** The provider did nothing: no money moved. Repeat with the same key. */
export class ProviderUnavailableError extends Error {
  override readonly name = "ProviderUnavailableError";
}

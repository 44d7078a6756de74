import type { Logger } from "@tercet/service";
import type { PaymentProvider } from "./provider.ts";
import type { PaymentStore } from "./store.ts";

export interface PaymentDeps {
  readonly store: PaymentStore;
  readonly provider: PaymentProvider;
  readonly log: Logger;
  /**
   * Bound of one call of the provider. It replaces the caller's deadline: a caller who goes away
   * must not cut off what is being recorded.
   */
  readonly providerTimeoutMs: number;
  /**
   * A payment whose charge was not requested for this time is not being charged; more than
   * `providerTimeoutMs`.
   */
  readonly idleMs: number;
  /**
   * A refunded payment is listed after this time. Longer than a statement may take, so that no
   * change appears behind one that was listed.
   */
  readonly refundFeedDelayMs: number;
}

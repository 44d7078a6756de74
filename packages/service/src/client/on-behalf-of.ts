import { type ContextValues, createContextKey, createContextValues } from "@connectrpc/connect";

/** Whom a call serves; see `onBehalfOf`. */
export const behalfKey = createContextKey<readonly string[]>([], {
  description: "whom the call serves: a customer, a card",
});

/**
 * Returns the `contextValues` of a call to another service that serves these: a customer, a card.
 * Each of them gets its share of the calls in flight, and cannot open the breaker alone. They are
 * kept in memory only, while a call is queued or in flight, and for the breaker's window.
 *
 * @example
 * payments.processPayment(request, { contextValues: onBehalfOf(customerId, cardToken) });
 */
export const onBehalfOf = (...keys: readonly string[]): ContextValues =>
  createContextValues().set(behalfKey, keys);

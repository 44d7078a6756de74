import { metrics, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import {
  type PaymentProvider,
  ProviderOutcomeUnknownError,
  ProviderRefusedError,
  ProviderUnavailableError,
} from "./provider.ts";

const SCOPE = "@tercet/payment";
const BUCKETS_SECONDS = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** Records a span and `tercet.payment.provider.duration` for each call of the provider. */
export function observedProvider(provider: PaymentProvider): PaymentProvider {
  const tracer = trace.getTracer(SCOPE);
  const duration = metrics.getMeter(SCOPE).createHistogram("tercet.payment.provider.duration", {
    unit: "s",
    description: "One call of the payment provider, by operation and outcome",
    advice: { explicitBucketBoundaries: BUCKETS_SECONDS },
  });
  const observe = <T>(
    operation: keyof PaymentProvider,
    paymentId: string,
    call: () => Promise<T>,
  ): Promise<T> => {
    const attributes = { "payment.id": paymentId };
    const options = { kind: SpanKind.CLIENT, attributes };
    return tracer.startActiveSpan(`provider ${operation}`, options, async (span) => {
      const start = performance.now();
      let outcome = "ok";
      try {
        return await call();
      } catch (error) {
        outcome = outcomeOf(error);
        span.setAttribute("error.type", outcome).setStatus({ code: SpanStatusCode.ERROR });
        throw error;
      } finally {
        duration.record((performance.now() - start) / 1_000, { operation, outcome });
        span.end();
      }
    });
  };
  return {
    charge: (key, amount, token, signal) =>
      observe("charge", key, () => provider.charge(key, amount, token, signal)),
    refund: (key, chargeKey, amount, signal) =>
      observe("refund", chargeKey, () => provider.refund(key, chargeKey, amount, signal)),
    find: (key, signal) => observe("find", key, () => provider.find(key, signal)),
    ping: (signal) => provider.ping(signal),
  };
}

function outcomeOf(error: unknown): string {
  if (error instanceof ProviderOutcomeUnknownError) return "unknown";
  if (error instanceof ProviderRefusedError) return "refused";
  return error instanceof ProviderUnavailableError ? "unavailable" : "error";
}

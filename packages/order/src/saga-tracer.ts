import {
  context,
  type Histogram,
  metrics,
  propagation,
  ROOT_CONTEXT,
  type Span,
  SpanStatusCode,
  type Tracer,
  trace,
} from "@opentelemetry/api";
import {
  type HeldSaga,
  type SagaAction,
  type SagaTracer,
  StepError,
  TerminalError,
} from "@tercet/saga";
import { logContext, withLogContext } from "@tercet/service";

const SCOPE = "@tercet/order";
const BUCKETS_S = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/**
 * What is kept with a saga of the call that begins it: where its trace and its log lines belong,
 * whoever works on it.
 */
export function originOfCall(): Record<string, string> {
  const origin: Record<string, string> = {};
  propagation.inject(context.active(), origin);
  const { correlationId } = logContext();
  return correlationId === undefined ? origin : { ...origin, correlationId };
}

/**
 * A span for each time that a worker takes a saga up, below the call that began it, so that an
 * order is one trace from its request to its end; one that goes on elsewhere or later is linked to
 * that call too. Below it a span for each attempt of a step.
 */
export function sagaTracer(): SagaTracer {
  const tracer = trace.getTracer(SCOPE);
  const duration = metrics.getMeter(SCOPE).createHistogram("tercet.saga.step.duration", {
    unit: "s",
    description: "One attempt of a step",
    advice: { explicitBucketBoundaries: BUCKETS_S },
  });
  return {
    drive(saga, { isNew, takenOver }, work) {
      const parent = propagation.extract(ROOT_CONTEXT, saga.origin);
      const begun = trace.getSpanContext(parent);
      const links = isNew || begun === undefined ? [] : [{ context: begun }];
      const attributes = {
        ...attributesOf(saga),
        "saga.resumed": !isNew,
        "saga.taken_over": takenOver,
      };
      const span = tracer.startSpan(`saga ${saga.kind}`, { attributes, links }, parent);
      const fields = { orderId: saga.subject, correlationId: saga.origin["correlationId"] };
      return withLogContext(fields, () =>
        context.with(trace.setSpan(parent, span), () => spanned(span, work)),
      );
    },
    attempt: (saga, action, work) => attempt({ tracer, duration }, saga, action, work),
  };
}

async function attempt<T>(
  { tracer, duration }: { readonly tracer: Tracer; readonly duration: Histogram },
  saga: HeldSaga,
  action: SagaAction,
  work: () => Promise<T>,
): Promise<T> {
  const step = { "saga.step": saga.step, "saga.action": action };
  const attributes = { ...attributesOf(saga), ...step, "saga.attempt": saga.attempt + 1 };
  const span = tracer.startSpan(`${saga.step} ${action}`, { attributes });
  const start = performance.now();
  const record = (outcome: string) =>
    duration.record(
      (performance.now() - start) / 1_000,
      { "saga.kind": saga.kind, ...step, outcome },
      trace.setSpan(context.active(), span),
    );
  return await context.with(trace.setSpan(context.active(), span), () =>
    spanned(span, () =>
      work().then(
        (result) => {
          record("SUCCEEDED");
          return result;
        },
        (error) => {
          record(error instanceof StepError ? error.code : "DEFECT");
          throw error;
        },
      ),
    ),
  );
}

const attributesOf = ({ id, kind, subject, fence }: HeldSaga) => ({
  "saga.kind": kind,
  "saga.id": id,
  "saga.fence": String(fence),
  "order.id": subject,
});

async function spanned<T>(span: Span, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    span.setAttribute("error.type", typeOf(error));
    span.setStatus({ code: SpanStatusCode.ERROR });
    throw error;
  } finally {
    span.end();
  }
}

/** Never its message, which may be about a customer. */
function typeOf(error: unknown): string {
  if (error instanceof TerminalError) return error.reason;
  return error instanceof StepError ? error.code : "_OTHER";
}

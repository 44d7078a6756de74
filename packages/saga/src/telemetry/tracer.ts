import {
  context,
  metrics,
  propagation,
  ROOT_CONTEXT,
  type Span,
  SpanStatusCode,
  trace,
} from "@opentelemetry/api";
import { StepError, TerminalError } from "../errors.ts";
import type { HeldSaga } from "../saga.ts";
import type { SagaTracer } from "../tracer.ts";
import { SCOPE } from "./scope.ts";

const BUCKETS_S = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

export interface TracerOptions {
  /** The span attribute that holds a saga's subject: "order.id". */
  readonly subjectAttribute: string;
  /** What to store with a new saga about the call that begins it, besides its trace. */
  readonly origin?: () => Readonly<Record<string, string>>;
  /** Wraps the work on a saga, for example in a log context. Returns what `work` returns. */
  readonly inContext?: <T>(saga: HeldSaga, work: () => Promise<T>) => Promise<T>;
}

/**
 * Creates a tracer with one span for each time a worker takes a saga up, and below it one for each
 * attempt of a step. The parent is the call that began the saga, so that the whole saga is one
 * trace; a saga that continues later or elsewhere is also linked to that call.
 */
export function sagaTracer({ subjectAttribute, origin, inContext }: TracerOptions): SagaTracer {
  const tracer = trace.getTracer(SCOPE);
  const duration = metrics.getMeter(SCOPE).createHistogram("tercet.saga.step.duration", {
    unit: "s",
    description: "One attempt of a step",
    advice: { explicitBucketBoundaries: BUCKETS_S },
  });
  const attributesOf = ({ id, kind, subject, fence }: HeldSaga) => ({
    "saga.kind": kind,
    "saga.id": id,
    "saga.fence": String(fence),
    [subjectAttribute]: subject,
  });
  return {
    origin() {
      const fields: Record<string, string> = {};
      propagation.inject(context.active(), fields);
      return { ...fields, ...origin?.() };
    },
    drive(saga, { isNew, takenOver }, work) {
      const parent = propagation.extract(ROOT_CONTEXT, saga.origin);
      const call = trace.getSpanContext(parent);
      const links = isNew || call === undefined ? [] : [{ context: call }];
      const attributes = {
        ...attributesOf(saga),
        "saga.resumed": !isNew,
        "saga.taken_over": takenOver,
      };
      const span = tracer.startSpan(`saga ${saga.kind}`, { attributes, links }, parent);
      const traced = () => context.with(trace.setSpan(parent, span), () => spanned(span, work));
      return inContext === undefined ? traced() : inContext(saga, traced);
    },
    async attempt(saga, action, work) {
      const step = { "saga.step": saga.step, "saga.action": action };
      const span = tracer.startSpan(`${saga.step} ${action}`, {
        attributes: { ...attributesOf(saga), ...step, "saga.attempt": saga.attempt + 1 },
      });
      const active = trace.setSpan(context.active(), span);
      const start = performance.now();
      let outcome = "SUCCEEDED";
      try {
        return await context.with(active, () => spanned(span, work));
      } catch (error) {
        outcome = error instanceof StepError ? error.code : "DEFECT";
        throw error;
      } finally {
        const seconds = (performance.now() - start) / 1_000;
        duration.record(seconds, { "saga.kind": saga.kind, ...step, outcome }, active);
      }
    },
  };
}

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

/** Never the message, which may contain personal data. */
function typeOf(error: unknown): string {
  if (error instanceof TerminalError) return error.reason;
  return error instanceof StepError ? error.code : "_OTHER";
}

import { type Counter, metrics } from "@opentelemetry/api";
import type { AnySaga } from "../definition.ts";
import type { SagaObserver } from "../observer.ts";
import type { HeldSaga, SagaState } from "../saga.ts";
import { SCOPE } from "./scope.ts";

/** The three methods that a pino logger has, among others. */
export interface SagaLogger {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface EventOptions {
  readonly log: SagaLogger;
  readonly definitions: readonly AnySaga[];
  /** "order.id": in log lines the subject is `order_id`. */
  readonly subjectAttribute: string;
  /** Notified of each move, by the subject of its saga. */
  readonly notify?: (subject: string) => void;
}

const DURATION_BUCKETS_S = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3_600];

/** Creates an observer that counts what happens to sagas, and logs it with an `event` field. */
export function sagaEvents({
  log,
  definitions,
  subjectAttribute,
  notify,
}: EventOptions): SagaObserver {
  const instruments = createInstruments();
  seed(instruments, definitions);
  const subjectField = subjectAttribute.replaceAll(".", "_");
  const fields = (event: string, saga: HeldSaga, state: SagaState = saga.state) => ({
    event,
    saga_id: saga.id,
    saga_kind: saga.kind,
    [subjectField]: saga.subject,
    step: saga.step,
    state,
    attempt: saga.attempt + 1,
    fence: String(saga.fence),
  });
  return {
    onStarted({ kind }) {
      instruments.started.add(1, { "saga.kind": kind });
    },
    onHeld(saga, takenOver) {
      if (!takenOver) return;
      instruments.takeOvers.add(1, { "saga.kind": saga.kind });
      log.warn(fields("saga_taken_over", saga), "saga taken over from a worker that is gone");
    },
    onMoved(saga, state) {
      if (state === "COMPLETED" || state === "COMPENSATED") countEnd(instruments, saga, state);
      log.info(fields("saga_moved", saga, state), "saga moved");
      notify?.(saga.subject);
    },
    onAttemptFailed(saga, error, unknown) {
      const labels = { "saga.kind": saga.kind, "saga.step": saga.step };
      if (unknown) instruments.unknownOutcomes.add(1, labels);
      log.warn(
        { ...fields("saga_step_failed", saga), unknown, err: error },
        unknown
          ? "saga step has an unknown outcome; it will be tried again"
          : "saga step had no effect; it will be tried again",
      );
    },
    onIntervened({ id, kind, subject, step, state: from }, { state, resolution, events }) {
      const principal = events.at(-1)?.principal;
      const fields = { saga_id: id, saga_kind: kind, [subjectField]: subject, step, from, state };
      // Not the reference and the reason, which are free text; the saga stores them.
      log.info(
        { event: "saga_intervened", ...fields, principal, resolution: resolution?.outcome },
        "an operator or customer moved the saga",
      );
      notify?.(subject);
    },
    onParked(saga, error) {
      log.error({ ...fields("saga_parked", saga), err: error }, "saga needs attention");
    },
    onFenced(saga) {
      instruments.fencedWrites.add(1, { "saga.kind": saga.kind });
      log.warn(
        fields("saga_write_refused", saga),
        "write refused: the saga belongs to another worker now",
      );
    },
    onEngineError(error) {
      log.warn(
        { event: "saga_engine_failed", err: error },
        "the saga engine could not reach its database",
      );
    },
  };
}

function createInstruments() {
  const meter = metrics.getMeter(SCOPE);
  const counter = (name: string, description: string, unit = "{saga}"): Counter =>
    meter.createCounter(`tercet.saga.${name}`, { unit, description });
  return {
    started: counter("started", "Sagas that began"),
    completed: counter("completed", "Sagas that completed"),
    compensated: counter("compensated", "Sagas that undid everything, by reason"),
    takeOvers: counter("takeovers", "Sagas taken over from a worker that is gone"),
    fencedWrites: counter(
      "fenced_writes",
      "Writes refused because the saga belonged to another worker",
      "{write}",
    ),
    unknownOutcomes: counter("unknown_outcomes", "Attempts with an unknown outcome", "{attempt}"),
    duration: meter.createHistogram("tercet.saga.duration", {
      unit: "s",
      description: "From the start of a saga to its end, by how it ended",
      advice: { explicitBucketBoundaries: DURATION_BUCKETS_S },
    }),
  };
}

type Instruments = ReturnType<typeof createInstruments>;

/** Creates each series at 0: one that appears with its first event hides that event from a rate. */
function seed(instruments: Instruments, definitions: readonly AnySaga[]): void {
  const { started, completed, takeOvers, fencedWrites, unknownOutcomes } = instruments;
  for (const { kind, steps } of definitions) {
    for (const counter of [started, completed, takeOvers, fencedWrites])
      counter.add(0, { "saga.kind": kind });
    for (const step of steps)
      if (step.kind === "remote")
        unknownOutcomes.add(0, { "saga.kind": kind, "saga.step": step.name });
  }
}

function countEnd(
  { completed, compensated, duration }: Instruments,
  saga: HeldSaga,
  state: "COMPLETED" | "COMPENSATED",
): void {
  const kind = { "saga.kind": saga.kind };
  if (state === "COMPLETED") completed.add(1, kind);
  else compensated.add(1, { ...kind, reason: saga.failure?.reason ?? "" });
  duration.record(ageSeconds(saga), { ...kind, "saga.state": state });
}

/** A saga's id contains the time it began (UUID version 7, RFC 9562). */
const ageSeconds = ({ id }: HeldSaga): number =>
  Math.max(0, Date.now() - Number.parseInt(id.replaceAll("-", "").slice(0, 12), 16)) / 1_000;

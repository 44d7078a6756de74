import { metrics } from "@opentelemetry/api";
import type { HeldSaga, SagaObserver } from "@tercet/saga";
import type { Logger } from "@tercet/service";
import { CANCEL_ORDER, PLACE_ORDER } from "./order.ts";

const meter = metrics.getMeter("@tercet/order");
const sagas = { unit: "{saga}" };
const started = meter.createCounter("tercet.saga.started", {
  ...sagas,
  description: "Sagas that began",
});
const completed = meter.createCounter("tercet.saga.completed", {
  ...sagas,
  description: "Sagas that came to their end",
});
const compensated = meter.createCounter("tercet.saga.compensated", {
  ...sagas,
  description: "Sagas that undid everything, by reason",
});
const takeOvers = meter.createCounter("tercet.saga.takeovers", {
  ...sagas,
  description: "Sagas taken over from a worker that is gone",
});
const fencedWrites = meter.createCounter("tercet.saga.fenced_writes", {
  unit: "{write}",
  description: "Writes refused because the saga belonged to another worker",
});
const unknownOutcomes = meter.createCounter("tercet.saga.unknown_outcomes", {
  unit: "{attempt}",
  description: "Attempts of which nobody knows whether they happened",
});
const duration = meter.createHistogram("tercet.saga.duration", {
  unit: "s",
  description: "From a saga's beginning to its end, by how it ended",
  advice: {
    explicitBucketBoundaries: [
      0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3_600,
    ],
  },
});

// A series that is not there until something happens hides the first time that it does.
for (const kind of [PLACE_ORDER, CANCEL_ORDER])
  for (const counter of [started, completed, takeOvers, fencedWrites])
    counter.add(0, { "saga.kind": kind });
for (const step of ["charge", "refund"])
  unknownOutcomes.add(0, {
    "saga.kind": step === "charge" ? PLACE_ORDER : CANCEL_ORDER,
    "saga.step": step,
  });

/** Its id says when it began (UUID version 7, RFC 9562). */
const ageSeconds = ({ id }: HeldSaga): number =>
  Math.max(0, Date.now() - Number.parseInt(id.replaceAll("-", "").slice(0, 12), 16)) / 1_000;

export function sagaStarted({ kind }: HeldSaga): void {
  started.add(1, { "saga.kind": kind });
}

function ended(saga: HeldSaga, state: "COMPLETED" | "COMPENSATED"): void {
  const kind = { "saga.kind": saga.kind };
  if (state === "COMPLETED") completed.add(1, kind);
  else compensated.add(1, { ...kind, reason: saga.failure?.reason ?? "" });
  duration.record(ageSeconds(saga), { ...kind, "saga.state": state });
}

const fields = ({ id, kind, subject, step, state, attempt, fence }: HeldSaga) => ({
  saga_id: id,
  saga_kind: kind,
  order_id: subject,
  step,
  state,
  attempt: attempt + 1,
  fence: String(fence),
});

/**
 * What happens to orders' sagas, in metrics and in the log. `onMoved` tells the calls that wait.
 */
export function sagaEvents(log: Logger, onMoved: (orderId: string) => void): SagaObserver {
  return {
    onHeld(saga, takenOver) {
      if (!takenOver) return;
      takeOvers.add(1, { "saga.kind": saga.kind });
      log.warn(fields(saga), "saga taken over from a worker that is gone");
    },
    onMoved(saga, state) {
      if (state === "COMPLETED" || state === "COMPENSATED") ended(saga, state);
      log.info({ ...fields(saga), state }, "saga moved");
      onMoved(saga.subject);
    },
    onAttemptFailed(saga, error, unknown) {
      if (unknown) unknownOutcomes.add(1, { "saga.kind": saga.kind, "saga.step": saga.step });
      log.warn(
        { ...fields(saga), unknown, err: error },
        "saga step failed; it will be tried again",
      );
    },
    onParked(saga, error) {
      log.error({ ...fields(saga), err: error }, "saga needs attention");
    },
    onFenced(saga) {
      fencedWrites.add(1, { "saga.kind": saga.kind });
      log.warn(fields(saga), "write refused: the saga belongs to another worker now");
    },
    onEngineError(error) {
      log.warn({ err: error }, "the saga engine could not reach its database");
    },
  };
}

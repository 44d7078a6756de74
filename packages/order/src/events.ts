import type { HeldSaga, SagaObserver } from "@tercet/saga";
import type { Logger } from "@tercet/service";

const fields = ({ id, kind, subject, step, state, attempt, fence }: HeldSaga) => ({
  saga_id: id,
  saga_kind: kind,
  order_id: subject,
  step,
  state,
  attempt: attempt + 1,
  fence: String(fence),
});

/** What happens to orders' sagas, in the log. `onMoved` tells the calls that wait. */
export function sagaEvents(log: Logger, onMoved: (orderId: string) => void): SagaObserver {
  return {
    onHeld(saga, takenOver) {
      if (takenOver) log.warn(fields(saga), "saga taken over from a worker that is gone");
    },
    onMoved(saga, state) {
      log.info({ ...fields(saga), state }, "saga moved");
      onMoved(saga.subject);
    },
    onAttemptFailed(saga, error, unknown) {
      log.warn({ ...fields(saga), unknown, err: error }, "saga step failed; it will be tried again");
    },
    onParked(saga, error) {
      log.error({ ...fields(saga), err: error }, "saga needs attention");
    },
    onFenced(saga) {
      log.warn(fields(saga), "write refused: the saga belongs to another worker now");
    },
    onEngineError(error) {
      log.warn({ err: error }, "the saga engine could not reach its database");
    },
  };
}

import { SagaAction, type SagaEvent, SagaOutcome } from "@tercet/gen/order/v1/saga_event";
import { undoName } from "../sagas/saga-paths.ts";
import { formatSpan, msOf, spanOf } from "../ui/format.ts";

const OUTCOMES: Readonly<Partial<Record<SagaOutcome, string>>> = {
  [SagaOutcome.STARTED]: "taken by a worker",
  [SagaOutcome.SUCCEEDED]: "succeeded",
  [SagaOutcome.FAILED]: "refused",
  [SagaOutcome.RETRY_SCHEDULED]: "will be repeated",
  [SagaOutcome.UNKNOWN]: "unknown",
  [SagaOutcome.RESOLVED]: "settled by an operator",
};

const TONES: Readonly<Partial<Record<SagaOutcome, string>>> = {
  [SagaOutcome.SUCCEEDED]: "green",
  [SagaOutcome.FAILED]: "red",
  [SagaOutcome.RETRY_SCHEDULED]: "amber",
  [SagaOutcome.UNKNOWN]: "amber",
};

/** The chart's twin: the same as text, for screen readers and for copying. */
export function TimelineTable({
  createMs,
  events,
}: {
  readonly createMs: number;
  readonly events: readonly SagaEvent[];
}) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard
    <section className="table-scroll" tabIndex={0} aria-label="Timeline as a table">
      <table className="table table-dense">
        <thead>
          <tr>
            <th scope="col" className="right">
              At
            </th>
            <th scope="col">Step</th>
            <th scope="col">Outcome</th>
            <th scope="col" className="right">
              Attempt
            </th>
            <th scope="col" className="right">
              Took
            </th>
            <th scope="col">Worker</th>
            <th scope="col">Message</th>
          </tr>
        </thead>
        <tbody>
          {events.map((event, index) => (
            <tr key={index}>
              <td className="right tabular nowrap">
                {formatSpan((msOf(event.time) ?? createMs) - createMs)}
              </td>
              <td>{event.action === SagaAction.UNDO ? undoName(event.step) : event.step}</td>
              <td>
                <span className="outcome" data-tone={TONES[event.outcome] ?? "grey"}>
                  {OUTCOMES[event.outcome] ?? "unknown"}
                </span>
              </td>
              <td className="right tabular nowrap">{event.attempt}</td>
              <td className="right tabular nowrap">
                {event.duration === undefined ? "" : formatSpan(spanOf(event.duration))}
              </td>
              <td className="mono nowrap">{event.worker}</td>
              <td className="message">{event.message}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

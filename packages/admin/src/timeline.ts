import { durationMs } from "@bufbuild/protobuf/wkt";
import { SagaAction, type SagaEvent, SagaOutcome } from "@tercet/gen/order/v1/saga_event";
import { nameOf, timeText } from "./format.ts";

const HEAD = ["TIME", "STEP", "ACTION", "OUTCOME", "ATTEMPT", "TOOK", "MESSAGE"];

/** Returns the table of a saga's events. */
export const timelineOf = (events: readonly SagaEvent[]) => ({
  head: HEAD,
  rows: events.map((event) => [
    timeText(event.time),
    event.step,
    nameOf(SagaAction, event.action),
    nameOf(SagaOutcome, event.outcome),
    String(event.attempt),
    event.duration === undefined ? "" : `${Math.round(durationMs(event.duration))} ms`,
    event.message,
  ]),
});

/** Returns an event as one line. */
export const eventLine = (event: SagaEvent): string =>
  [event.step, nameOf(SagaAction, event.action), nameOf(SagaOutcome, event.outcome), event.message]
    .join(" ")
    .trimEnd();

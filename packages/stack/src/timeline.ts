import { type Duration, durationMs, type Timestamp, timestampMs } from "@bufbuild/protobuf/wkt";
import type { Style, Terminal } from "@tercet/cli";
import type { Order } from "@tercet/gen/order/v1/order_service";
import { SagaAction, type SagaEvent, SagaOutcome } from "@tercet/gen/order/v1/saga_event";

const STYLES: Readonly<Partial<Record<SagaOutcome, Style>>> = {
  [SagaOutcome.SUCCEEDED]: "green",
  [SagaOutcome.FAILED]: "red",
  [SagaOutcome.RETRY_SCHEDULED]: "yellow",
  [SagaOutcome.UNKNOWN]: "yellow",
};

/** Returns one line per saga event of an order, with the time since the order was placed. */
export function timelineOf(
  { createTime, timeline }: Pick<Order, "createTime" | "timeline">,
  { styled }: Pick<Terminal, "styled">,
): string[] {
  return timeline.map((event) => lineOf(event, createTime, styled));
}

function lineOf(
  event: SagaEvent,
  placed: Timestamp | undefined,
  styled: Terminal["styled"],
): string {
  const { step, action, outcome, attempt, message } = event;
  const columns = [
    offset(event.time, placed).padStart(9),
    step.padEnd(9),
    SagaAction[action].padEnd(4),
    styled(STYLES[outcome] ?? "dim", SagaOutcome[outcome].padEnd(15)),
    (attempt > 1 ? `attempt ${attempt}` : "").padEnd(10),
    took(event.duration).padStart(8),
    message === "" ? "" : ` ${message}`,
  ];
  return columns.join(" ").trimEnd();
}

const offset = (time: Timestamp | undefined, from: Timestamp | undefined): string =>
  time === undefined || from === undefined
    ? ""
    : `+${((timestampMs(time) - timestampMs(from)) / 1000).toFixed(3)} s`;

const took = (duration: Duration | undefined): string =>
  duration === undefined ? "" : `${Math.round(durationMs(duration))} ms`;

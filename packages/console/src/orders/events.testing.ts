import { create } from "@bufbuild/protobuf";
import { durationFromMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  SagaAction,
  type SagaEvent,
  SagaEventSchema,
  SagaOutcome,
} from "@tercet/gen/order/v1/saga_event";

const { RUN, UNDO } = SagaAction;
type More = Partial<Pick<SagaEvent, "outcome" | "attempt" | "worker" | "message">>;

const event = (action: SagaAction, step: string, atMs: number, tookMs: number, more: More) =>
  create(SagaEventSchema, {
    ...{ step, action, attempt: 1, outcome: SagaOutcome.SUCCEEDED, worker: "a:1", ...more },
    time: timestampFromMs(atMs),
    duration: durationFromMs(tookMs),
  });

/** An attempt that began at a time, in milliseconds since the order was placed. */
export const ran = (step: string, atMs: number, tookMs: number, more: More = {}): SagaEvent =>
  event(RUN, step, atMs, tookMs, more);

export const undid = (step: string, atMs: number, tookMs: number, more: More = {}): SagaEvent =>
  event(UNDO, step, atMs, tookMs, more);

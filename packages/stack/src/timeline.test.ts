import { create } from "@bufbuild/protobuf";
import { durationFromMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { OrderSchema } from "@tercet/gen/order/v1/order_service";
import { SagaAction, SagaOutcome } from "@tercet/gen/order/v1/saga_event";
import { expect, test } from "vitest";
import { timelineOf } from "./timeline.ts";

const event = (ms: number, outcome: SagaOutcome, attempt: number, message = "") => ({
  time: timestampFromMs(ms),
  step: "charge",
  action: SagaAction.RUN,
  outcome,
  attempt,
  duration: durationFromMs(7),
  message,
});

test("each event tells when, what, how it went and how long it took", () => {
  const timeline = [
    event(1_012, SagaOutcome.UNKNOWN, 1, "no answer"),
    event(2_500, SagaOutcome.SUCCEEDED, 2),
  ];
  const order = create(OrderSchema, { createTime: timestampFromMs(1_000), timeline });
  const lines = timelineOf(order, { styled: (_style, text) => text }).map((line) =>
    line.replaceAll(/ +/g, " ").trim(),
  );
  expect(lines).toEqual([
    "+0.012 s charge RUN UNKNOWN 7 ms no answer",
    "+1.500 s charge RUN SUCCEEDED attempt 2 7 ms",
  ]);
});

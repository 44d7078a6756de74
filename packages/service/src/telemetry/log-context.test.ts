import { setTimeout as sleep } from "node:timers/promises";
import { context as otel, trace } from "@opentelemetry/api";
import { describe, expect, test } from "vitest";
import { createLogger } from "./log.ts";
import { inPresentContext, logContext, noteLogContext, withLogContext } from "./log-context.ts";

describe("the log context", () => {
  test("belongs to the work that began it, also after waits, and to no other", async () => {
    const work = (correlationId: string) =>
      withLogContext({ correlationId }, async () => {
        await sleep(1);
        return logContext();
      });
    expect(await Promise.all([work("a"), work("b")])).toEqual([
      { correlationId: "a" },
      { correlationId: "b" },
    ]);
    expect(logContext()).toEqual({});
  });

  test("is the outer one with the new fields added; undefined removes a field", () => {
    withLogContext({ correlationId: "a", orderId: "1" }, () => {
      expect(withLogContext({ orderId: "2" }, logContext)).toEqual({
        correlationId: "a",
        orderId: "2",
      });
      expect(withLogContext({ correlationId: undefined }, logContext)).toEqual({ orderId: "1" });
      expect(logContext()).toEqual({ correlationId: "a", orderId: "1" });
    });
  });

  test("takes fields later, also for the callers around it; without a context nothing happens", async () => {
    await withLogContext({ correlationId: "a" }, async () => {
      await (async () => noteLogContext({ orderId: "1" }))();
      expect(logContext()).toEqual({ correlationId: "a", orderId: "1" });
    });
    noteLogContext({ orderId: "2" });
    expect(logContext()).toEqual({});
  });

  test("stays with a stream to its end, whatever context reads it", async () => {
    const seen: unknown[] = [];
    async function* messages() {
      try {
        yield logContext();
        yield logContext();
      } finally {
        seen.push(logContext());
      }
    }
    const stream = withLogContext({ correlationId: "a" }, () => inPresentContext(messages()));
    for await (const context of stream) {
      seen.push(context);
      break;
    }
    expect(seen).toEqual([{ correlationId: "a" }, { correlationId: "a" }]);
  });
});

test("a line carries the log context; its own fields take precedence", () => {
  const written: string[] = [];
  const log = createLogger(
    { name: "shop", level: "info", environment: "test" },
    { write: (line) => void written.push(line) },
  );
  withLogContext({ correlationId: "c-1", orderId: "o-1" }, () => {
    log.info("inside");
    log.info({ order_id: "o-2" }, "of another order");
  });
  log.info("outside");
  const found = written.map((line) => JSON.parse(line));
  expect(found).toMatchObject([
    { service: "shop", environment: "test", correlation_id: "c-1", order_id: "o-1" },
    { correlation_id: "c-1", order_id: "o-2" },
    { service: "shop", environment: "test", msg: "outside" },
  ]);
  expect(Object.keys(found[2])).toEqual(["level", "time", "service", "environment", "msg"]);
});

test("a line carries the active span", () => {
  const written: string[] = [];
  const log = createLogger(
    { name: "shop", level: "info" },
    { write: (line) => void written.push(line) },
  );
  const span = {
    traceId: "0af7651916cd43dd8448eb211c80319c",
    spanId: "b7ad6b7169203331",
    traceFlags: 1,
  };
  // What an SDK's context manager does, at its smallest.
  const active = trace.setSpanContext(otel.active(), span);
  const manager = {
    active: () => active,
    with: () => {},
    bind: () => {},
    enable: () => manager,
    disable: () => manager,
  };
  otel.setGlobalContextManager(manager as never);
  log.info("inside");
  otel.disable();
  log.info("outside");
  expect(JSON.parse(written[0] ?? "")).toMatchObject({
    trace_id: span.traceId,
    span_id: span.spanId,
  });
  expect(written[1]).not.toContain("trace_id");
});

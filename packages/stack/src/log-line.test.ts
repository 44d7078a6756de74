import { expect, test } from "vitest";
import { eventOf, readable } from "./log-line.ts";

test("of a service's log, a person sees warnings and errors, and what is not from the logger", () => {
  expect(
    readable("order", '{"level":"warn","msg":"dependency is down","err":{"message":"refused"}}'),
  ).toBe("order warn: dependency is down (refused)");
  expect(readable("order", '{"level":"info","msg":"listening"}')).toBeUndefined();
  expect(readable("order", "Segmentation fault")).toBe("order: Segmentation fault");
});

test("returns the event of a log line, and undefined for other output", () => {
  expect(eventOf('{"level":"warn","event":"saga_write_refused"}')).toBe("saga_write_refused");
  expect(eventOf("Segmentation fault")).toBeUndefined();
});

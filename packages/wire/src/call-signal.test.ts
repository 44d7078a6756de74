import { Code, ConnectError } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { CallSignal } from "./call-signal.ts";

const canceled = new ConnectError("the stream was reset", Code.Canceled);

/** Lets no timer fire meanwhile. */
function block(ms: number): void {
  const until = performance.now() + ms;
  while (performance.now() < until);
}

test("a call that the server cancels at the deadline took too long, also before our timer", () => {
  const call = new CallSignal(undefined, 10);
  block(11);
  expect(call.signal.aborted).toBe(false);
  expect(call.failed(canceled).code).toBe(Code.DeadlineExceeded);
});

test("a call that the server cancels earlier is canceled", () => {
  expect(new CallSignal(undefined, 10_000).failed(canceled)).toBe(canceled);
  expect(new CallSignal(undefined, undefined).failed(canceled)).toBe(canceled);
});

test("a call that its caller ended fails as the caller says, also after the deadline", () => {
  const caller = new AbortController();
  const call = new CallSignal(caller.signal, 10);
  const reason = new ConnectError("not wanted any more", Code.Aborted);
  caller.abort(reason);
  block(11);
  expect(call.failed(canceled)).toBe(reason);
});

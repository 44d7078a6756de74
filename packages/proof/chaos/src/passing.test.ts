import { Code, ConnectError } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { isPassing } from "./passing.ts";

const EPIPE = Object.assign(new Error("write EPIPE"), { code: "EPIPE" });

test.each([
  ["unavailable", new ConnectError("down", Code.Unavailable), true],
  ["aborted", new ConnectError("read ECONNRESET", Code.Aborted), true],
  ["deadline_exceeded", new ConnectError("late", Code.DeadlineExceeded), true],
  [
    "a connection whose other end is gone",
    new ConnectError("write EPIPE", Code.Internal, undefined, undefined, EPIPE),
    true,
  ],
  ["internal, as a server says it", new ConnectError("internal error", Code.Internal), false],
  ["failed_precondition", new ConnectError("no", Code.FailedPrecondition), false],
])("%s", (_name, error, passing) => {
  expect(isPassing(error)).toBe(passing);
});

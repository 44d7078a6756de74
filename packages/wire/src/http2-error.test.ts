import { Code, ConnectError } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { http2Error, streamError } from "./http2-error.ts";

const failure = (code: string, cause?: unknown) =>
  Object.assign(new Error("failed", { cause }), { code });
const NO_ERROR = 0;
const REFUSED_STREAM = 7;
const CANCEL = 8;

test.each([
  ["a refused stream was not processed", failure("ERR_HTTP2_STREAM_ERROR"), 7, Code.Unavailable],
  ["a connection that was not made", failure("ECONNREFUSED"), NO_ERROR, Code.Unavailable],
  ["a connection that breaks", failure("ECONNRESET"), CANCEL, Code.Aborted],
  ["also as a cause", failure("ERR", failure("ECONNRESET")), REFUSED_STREAM, Code.Aborted],
  ["a stream of a session that is gone", failure("ERR_HTTP2_INVALID_STREAM"), 0, Code.Aborted],
  ["a server that fails", failure("ERR_HTTP2_STREAM_ERROR"), 2, Code.Internal],
  ["a server that is under attack", failure("ERR_HTTP2_STREAM_ERROR"), 11, Code.ResourceExhausted],
  ["a stream that ends early", new Error("closed"), NO_ERROR, Code.Internal],
])("%s", (_name, error, rstCode, code) => {
  const { code: found, cause } = streamError(error, rstCode);
  expect(found).toBe(code);
  expect(cause).toBe(error);
});

test("an error of a call stays as it is", () => {
  const error = new ConnectError("no", Code.NotFound);
  expect(streamError(error, CANCEL)).toBe(error);
});

test("a stream that was closed without an error has none", () => {
  expect(http2Error(NO_ERROR)).toBeUndefined();
});

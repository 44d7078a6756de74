import { getEventListeners } from "node:events";
import { Code, ConnectError } from "@connectrpc/connect";
import { describe, expect, test, vi } from "vitest";
import { messagesUntilAborted, untilAborted, withTimeout } from "./abort.ts";

const never = new Promise<never>(() => {});

describe("withTimeout", () => {
  test("aborts with the signal, with its reason", () => {
    const call = new AbortController();
    using timed = withTimeout(call.signal, 60_000);
    expect(timed.signal.aborted).toBe(false);
    call.abort("gone");
    expect(timed.signal).toMatchObject({ aborted: true, reason: "gone" });
  });

  test("is aborted from the start if the signal is", () => {
    using timed = withTimeout(AbortSignal.abort("gone"), 60_000);
    expect(timed.signal).toMatchObject({ aborted: true, reason: "gone" });
  });

  test("aborts after its timeout, with a reason that is created only then, and does not abort the signal", async () => {
    const { signal } = new AbortController();
    using timed = withTimeout(signal, 1, () => "late");
    await new Promise((resolve) => timed.signal.addEventListener("abort", resolve));
    expect(timed.signal.reason).toBe("late");
    expect(signal.aborted).toBe(false);
  });

  test("disposed of, it leaves no listener on the signal", () => {
    const { signal } = new AbortController();
    withTimeout(signal, 60_000)[Symbol.dispose]();
    expect(getEventListeners(signal, "abort")).toEqual([]);
  });

  test("disposed of, it leaves no timer", () => {
    vi.useFakeTimers();
    withTimeout(new AbortController().signal, 60_000)[Symbol.dispose]();
    expect(vi.getTimerCount()).toBe(0);
    withTimeout(new AbortController().signal, undefined);
    expect(vi.getTimerCount()).toBe(0);
    vi.useRealTimers();
  });
});

describe("untilAborted", () => {
  test("settles like the work if nothing aborts", async () => {
    const { signal } = new AbortController();
    expect(await untilAborted(Promise.resolve(7), signal)).toBe(7);
    await expect(untilAborted(Promise.reject(new TypeError("x")), signal)).rejects.toThrow(
      TypeError,
    );
  });

  test("rejects at once if the signal is already aborted", async () => {
    await expect(untilAborted(never, AbortSignal.abort())).rejects.toMatchObject({
      code: Code.Canceled,
    });
  });

  test("rejects with the signal's own reason if that is an error of a call", async () => {
    const late = new ConnectError("late", Code.Unavailable);
    await expect(untilAborted(never, AbortSignal.abort(late))).rejects.toBe(late);
  });

  test("rejects with the signal's reason also if the work failed because of it", async () => {
    const abort = new AbortController();
    const work = new Promise((_, reject) =>
      abort.signal.addEventListener("abort", () => reject(new Error("AbortError"))),
    );
    const outcome = untilAborted(work, abort.signal);
    abort.abort(new ConnectError("late", Code.DeadlineExceeded));
    await expect(outcome).rejects.toMatchObject({ code: Code.DeadlineExceeded });
  });

  test("leaves no unhandled rejection when the loser fails later", async () => {
    const unhandled: unknown[] = [];
    const note = (reason: unknown) => void unhandled.push(reason);
    process.on("unhandledRejection", note);
    const work = Promise.withResolvers<never>();
    await expect(untilAborted(work.promise, AbortSignal.abort())).rejects.toThrow();
    work.reject(new Error("too late"));
    await new Promise((resolve) => setImmediate(resolve));
    process.off("unhandledRejection", note);
    expect(unhandled).toEqual([]);
  });
});

describe("messagesUntilAborted", () => {
  test("passes messages on, then ends its source when the signal aborts", async () => {
    const abort = new AbortController();
    let ended = false;
    async function* source() {
      try {
        yield 1;
        yield 2;
        yield 3;
      } finally {
        ended = true;
      }
    }
    const seen: number[] = [];
    const read = async () => {
      for await (const message of messagesUntilAborted(source(), abort.signal)) {
        seen.push(message);
        if (message === 2) abort.abort();
      }
    };
    await expect(read()).rejects.toMatchObject({ code: Code.Canceled });
    expect({ seen, ended }).toEqual({ seen: [1, 2], ended: true });
  });

  test("does not wait for a hanging source", async () => {
    async function* source() {
      yield 1;
      await never;
    }
    const abort = new AbortController();
    const messages = messagesUntilAborted(source(), abort.signal)[Symbol.asyncIterator]();
    await messages.next();
    const second = messages.next();
    abort.abort();
    await expect(second).rejects.toMatchObject({ code: Code.Canceled });
  });
});

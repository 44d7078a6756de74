import { Code, ConnectError } from "@connectrpc/connect";
import { type Order, OrderStatus } from "@tercet/gen/order/v1/order_service";
import { reasonOf } from "@tercet/service";
import type { Api } from "@tercet/stack";
import { expect, vi } from "vitest";
import { patient } from "./patience.ts";

/** How long clients retry. */
export const PATIENCE = { timeout: patient(15_000), interval: 100 };

/** Resolves to "ok", or to the code with which the call failed. */
export const outcome = (call: Promise<unknown>): Promise<string> =>
  call.then(
    () => "ok",
    (error: unknown) => Code[ConnectError.from(error).code] ?? "",
  );

const isUnavailable = (error: unknown): boolean =>
  ConnectError.from(error).code === Code.Unavailable;

/** For calls with a short deadline, which a busy machine answers too late. */
export const isLate = (error: unknown): boolean =>
  ConnectError.from(error).code === Code.DeadlineExceeded;

/**
 * Retries a call, with the same request_id, while it fails with `unavailable` or as `passes` says.
 * Throws every other failure.
 */
export async function persistently<T>(call: () => Promise<T>, passes = isUnavailable): Promise<T> {
  const answer = await vi.waitUntil(
    () =>
      call().then(
        (value) => ({ value }),
        (error: unknown) => {
          if (!passes(error)) throw error;
        },
      ),
    PATIENCE,
  );
  return (answer as { value: T }).value;
}

/** Waits until the order has this status, and resolves to it. */
export const becomes = (
  { orders }: Pick<Api, "orders">,
  { id: orderId }: Pick<Order, "id">,
  status: OrderStatus,
): Promise<Order> =>
  vi.waitFor(async () => {
    const order = await orders.getOrder({ orderId });
    expect(OrderStatus[order.status]).toBe(OrderStatus[status]);
    return order;
  }, PATIENCE);

/** A call as its client saw it. */
export interface RecordedCall {
  readonly code: string;
  /** The server's error reason, if it sent one. */
  readonly reason: string | undefined;
  readonly ms: number;
  readonly deadlineMs: number;
}

/** Codes that a client may get during faults: all of them allow a retry. */
const ALLOWED = new Set(["ok", "Unavailable", "DeadlineExceeded", "ResourceExhausted", "Aborted"]);
const LATE_MS = patient(250);

/** Makes calls with a deadline and keeps their outcomes. */
export class CallRecorder {
  readonly calls: RecordedCall[] = [];
  readonly #deadlineMs: number;

  constructor(deadlineMs: number) {
    this.#deadlineMs = deadlineMs;
  }

  /** Undefined if the call failed. */
  async call<T>(
    call: (options: { readonly timeoutMs: number }) => Promise<T>,
  ): Promise<T | undefined> {
    const started = performance.now();
    const note = (code: string, reason?: string) =>
      void this.calls.push({
        code,
        reason,
        ms: performance.now() - started,
        deadlineMs: this.#deadlineMs,
      });
    try {
      const answer = await call({ timeoutMs: this.#deadlineMs });
      note("ok");
      return answer;
    } catch (cause) {
      const error = ConnectError.from(cause);
      note(Code[error.code] ?? "", reasonOf(error));
      return undefined;
    }
  }

  count(code: string): number {
    return this.calls.filter((call) => call.code === code).length;
  }

  /** Calls that ended too late, or with a code that is not allowed (I10). */
  violations(): RecordedCall[] {
    return this.calls.filter(
      ({ code, ms, deadlineMs }) => !ALLOWED.has(code) || ms > deadlineMs + LATE_MS,
    );
  }
}

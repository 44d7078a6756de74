import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Stack } from "@tercet/stack";

/** A call as Payment saw it. Times in milliseconds. */
export interface SeenCall {
  readonly method: string;
  readonly code: string;
  readonly began: number;
  readonly ended: number;
}

/** The calls of one method that Payment has completed, in order of completion. */
export async function seenByPayment(
  { dataDir }: Pick<Stack, "dataDir">,
  method: "ProcessPayment" | "RefundPayment",
): Promise<SeenCall[]> {
  const lines = (await readFile(join(dataDir, "logs", "payment.log"), "utf8"))
    .split("\n")
    .filter((line) => line.includes('"msg":"call"'));
  const calls = lines.map((line) => {
    const { method, code, time, duration_ms } = JSON.parse(line) as {
      method: string;
      code: string;
      time: string;
      duration_ms: number;
    };
    const ended = Date.parse(time);
    return { method, code, began: ended - duration_ms, ended };
  });
  return calls.filter((call) => call.method === `payment.v1.PaymentService/${method}`);
}

/** Returns the largest number of calls in progress at one moment. */
export function mostAtOnce(calls: readonly SeenCall[]): number {
  const steps = calls.flatMap(({ began, ended }) => [
    { at: began, by: 1 },
    { at: ended, by: -1 },
  ]);
  // A call that ends when another begins counts as concurrent with it.
  steps.sort((a, b) => a.at - b.at || b.by - a.by);
  let now = 0;
  return steps.reduce((most, { by }) => {
    now += by;
    return Math.max(most, now);
  }, 0);
}

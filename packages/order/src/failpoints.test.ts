import { expect, test } from "vitest";
import { orderFailpoints } from "./failpoints.ts";
import { orderSagas } from "./saga-paths.ts";
import type { OrderSagaDeps } from "./sagas.ts";

/** Returns a target that records the methods that are called, and resolves to nothing. */
const recording = (area: string, calls: Set<string>) =>
  new Proxy(
    {},
    {
      get: (_, method) => async () => {
        calls.add(`${area}.${String(method)}`);
        throw new Error("recorded");
      },
    },
  ) as never;

test("what the steps of the sagas call and write has failpoints", async () => {
  const calls = new Set<string>();
  const deps: OrderSagaDeps = {
    orders: recording("order", calls),
    payments: recording("payments", calls),
    times: { deadlineMs: 0, compensationBudgetMs: 0 },
  };
  const amount = { currencyCode: "EUR", minorUnits: "1" };
  const input = { paymentId: "p", customerId: "c", token: "t", reason: "r", amount };
  const call = {
    input,
    subject: "o",
    key: "k",
    signal: new AbortController().signal,
    attempt: 1,
    repeated: false,
    failure: { reason: "R", message: "" },
  };
  for (const { steps, syncSubject } of Object.values(orderSagas(deps))) {
    const attempts = steps.flatMap(({ kind, undo, ...step }) => {
      const run = "run" in step ? step.run : undefined;
      const argument = kind === "remote" ? call : [];
      return [run, undo].map((action) => action?.(argument as never));
    });
    await Promise.allSettled([...attempts, syncSubject([])]);
  }
  expect(calls.size).toBeGreaterThan(5);
  for (const name of calls)
    expect(orderFailpoints).toEqual(expect.arrayContaining([`before:${name}`, `after:${name}`]));
});

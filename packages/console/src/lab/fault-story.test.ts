import { expect, test } from "vitest";
import { storyOfFault } from "./fault-story.ts";
import type { FaultReport } from "./lab-report.ts";

const killed: FaultReport = { id: 1, name: "kill-order", atMs: 1_000, held: 3, ended: 0 };

test("a fault is described as it unfolds", () => {
  expect(storyOfFault(killed)).toEqual({
    title: "Order A was killed",
    text: "It drove 3 orders. They wait until it is back, or its lease runs out. It is starting again.",
    verdict: undefined,
  });
  const over = { upMs: 2_500, takenOverMs: 6_200, takenOverBy: "vm:2", ended: 3, holds: true };
  expect(storyOfFault({ ...killed, ...over })).toEqual({
    title: "Order A was killed",
    text: "It drove 3 orders. vm:2 took over the first after 5.2 s, and all have ended. It was up again after 1.5 s.",
    verdict: "No order was lost, and no customer was charged twice.",
  });
});

test("a fault that broke something says so", () => {
  expect(storyOfFault({ ...killed, holds: false }).verdict).toBe("An invariant is broken.");
});

test("a database holds no order itself", () => {
  const { text } = storyOfFault({ ...killed, name: "restart-postgres", held: 0, upMs: 1_900 });
  expect(text).toBe("It was up again after 900 ms.");
});

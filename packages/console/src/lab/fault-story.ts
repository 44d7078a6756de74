import { formatSpan, plural } from "../ui/format.ts";
import type { FaultName, FaultReport } from "./lab-report.ts";

export interface FaultStory {
  readonly title: string;
  /** What happened, in one or two sentences. */
  readonly text: string;
  /** Which invariant held; undefined until that is known. */
  readonly verdict: string | undefined;
}

const TITLES: Readonly<Record<FaultName, string>> = {
  "kill-order": "Order A was killed",
  "kill-order-b": "Order B was killed",
  "freeze-order": "Order A was frozen",
  "kill-payment": "Payment was killed",
  "restart-postgres": "PostgreSQL was shut down at once",
};

const VERDICTS: Readonly<Record<FaultName, string>> = {
  "kill-order": "No order was lost, and no customer was charged twice.",
  "kill-order-b": "No order was lost, and no customer was charged twice.",
  "freeze-order": "The late writes of the old worker were refused by the fence.",
  "kill-payment": "Each charge was repeated with its key, and moved money once.",
  "restart-postgres": "What was committed is there, and what was not was done again.",
};

/** Tells what came of a fault. */
export function storyOfFault(fault: FaultReport): FaultStory {
  const { name, holds } = fault;
  return {
    title: TITLES[name],
    text: [takeOverOf(fault), recoveryOf(fault)].filter((part) => part !== "").join(" "),
    verdict: holds === undefined ? undefined : holds ? VERDICTS[name] : "An invariant is broken.",
  };
}

function takeOverOf({ name, held, atMs, takenOverMs, takenOverBy, ended }: FaultReport): string {
  if (name === "kill-payment" || name === "restart-postgres") return "";
  if (held === 0) return "It drove no order at that moment.";
  if (takenOverMs === undefined)
    return `It drove ${plural(held, "order")}. They wait until it is back, or its lease runs out.`;
  const rest = ended === held ? "and all have ended" : `${ended} of them have ended`;
  return `It drove ${plural(held, "order")}. ${takenOverBy ?? "Another worker"} took over the first after ${formatSpan(takenOverMs - atMs)}, ${rest}.`;
}

function recoveryOf({ name, atMs, upMs }: FaultReport): string {
  if (name === "kill-order-b") return "";
  if (upMs === undefined)
    return name === "freeze-order" ? "It is still frozen." : "It is starting again.";
  return name === "freeze-order"
    ? `It went on after ${formatSpan(upMs - atMs)}.`
    : `It was up again after ${formatSpan(upMs - atMs)}.`;
}

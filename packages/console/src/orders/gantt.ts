import { SagaAction, type SagaEvent, SagaOutcome } from "@tercet/gen/order/v1/saga_event";
import { pathOf, undoName } from "../sagas/saga-paths.ts";
import { msOf, spanOf } from "../ui/format.ts";

/** What an attempt looks like. `lost`: its worker died or was cut off. `running`: the present. */
export type BarKind = "done" | "refused" | "unknown" | "retry" | "resolved" | "lost" | "running";

export interface Bar {
  readonly key: string;
  readonly kind: BarKind;
  readonly startMs: number;
  readonly endMs: number;
  readonly attempt: number;
  readonly worker: string;
  readonly message: string;
}

/** The time between an attempt that did not end well and the next one. */
export interface Wait {
  readonly startMs: number;
  readonly endMs: number;
}

export interface Row {
  readonly key: string;
  readonly name: string;
  /** Undo and cancellation: what gives back. */
  readonly back: boolean;
  readonly bars: readonly Bar[];
  readonly waits: readonly Wait[];
}

/** Another worker continued the saga. */
export interface TakeOver {
  readonly atMs: number;
  readonly from: string;
  readonly to: string;
  /** Since the last sign of the old worker in the timeline. */
  readonly afterMs: number;
  /** The row of the step at which it happened. */
  readonly row: string;
  readonly attempt: number;
}

export interface Gantt {
  readonly startMs: number;
  readonly endMs: number;
  readonly rows: readonly Row[];
  readonly takeOvers: readonly TakeOver[];
}

export interface GanttInput {
  /** Of the saga; by default the one that places an order. */
  readonly kind?: string;
  readonly createMs: number;
  readonly events: readonly SagaEvent[];
  /** Whether a saga of the order is being driven at present. */
  readonly open: boolean;
  /** By the clock of the events. */
  readonly nowMs: number;
}

interface Seen {
  readonly event: SagaEvent;
  readonly startMs: number;
  readonly endMs: number;
  readonly row: string;
}

const KINDS: Readonly<Partial<Record<SagaOutcome, BarKind>>> = {
  [SagaOutcome.SUCCEEDED]: "done",
  [SagaOutcome.FAILED]: "refused",
  [SagaOutcome.RETRY_SCHEDULED]: "retry",
  [SagaOutcome.UNKNOWN]: "unknown",
  [SagaOutcome.RESOLVED]: "resolved",
};

/** After these the step is attempted again. */
const REPEATED: ReadonlySet<BarKind> = new Set(["unknown", "retry"]);
const FORWARD = pathOf("place-order")?.steps.map(({ name }) => name) ?? [];
const CANCEL = pathOf("cancel-order")?.steps.map(({ name }) => name) ?? [];
const CANCEL_NAMES: Readonly<Record<string, string>> = { request: "cancel asked" };
/** A worker is at work on the step that follows at once. */
const MIN_TAKE_OVER_MS = 1;

const rowOf = (step: string, action: SagaAction): string =>
  `${action === SagaAction.UNDO ? "undo" : "run"} ${step}`;

/** Turns a timeline into bars on a time axis. Pure: the same for the same moment. */
export function ganttOf({
  kind = "place-order",
  createMs,
  events,
  open,
  nowMs,
}: GanttInput): Gantt {
  const planned = pathOf(kind)?.steps.map(({ name }) => name) ?? [];
  const seen = events.map((event): Seen => {
    const startMs = msOf(event.time) ?? createMs;
    const endMs = startMs + spanOf(event.duration);
    return { event, startMs, endMs, row: rowOf(event.step, event.action) };
  });
  const attempts = seen.filter(({ event }) => event.outcome !== SagaOutcome.STARTED);
  const current = open ? currentOf(seen, planned[0] ?? "", createMs, nowMs) : undefined;
  const takeOvers = takeOversOf(seen);
  const rows = rowKeys(planned, attempts, current).map((key) =>
    rowFor(key, attempts, takeOvers, current),
  );
  const ends = [...seen.map(({ endMs }) => endMs), createMs + 1, ...(open ? [nowMs] : [])];
  return {
    startMs: createMs,
    endMs: Math.max(...ends),
    rows,
    takeOvers,
  };
}

interface Current {
  readonly row: string;
  readonly bar: Bar | undefined;
  readonly wait: Wait | undefined;
}

/** What happens now, as far as the timeline shows it: the step after the last event. */
function currentOf(
  seen: readonly Seen[],
  first: string,
  createMs: number,
  nowMs: number,
): Current | undefined {
  const last = seen.at(-1);
  if (last === undefined) return running(rowOf(first, SagaAction.RUN), createMs, nowMs);
  const { event, endMs, row } = last;
  if (event.outcome === SagaOutcome.RETRY_SCHEDULED || event.outcome === SagaOutcome.UNKNOWN)
    return { row, bar: undefined, wait: { startMs: endMs, endMs: Math.max(endMs, nowMs) } };
  const next = event.outcome === SagaOutcome.STARTED ? row : nextRow(seen, last);
  return next === undefined
    ? undefined
    : running(next, endMs, nowMs, event.worker, attemptOf(seen, next));
}

const attemptOf = (seen: readonly Seen[], row: string): number =>
  seen.filter((one) => one.row === row && one.event.outcome !== SagaOutcome.STARTED).length + 1;

const running = (
  row: string,
  startMs: number,
  nowMs: number,
  worker = "",
  attempt = 1,
): Current => ({
  row,
  wait: undefined,
  bar: {
    key: `${row} running`,
    kind: "running",
    startMs,
    endMs: Math.max(startMs, nowMs),
    attempt,
    worker,
    message: "",
  },
});

/** The step that follows one that has ended: forward, or back from one that was refused. */
function nextRow(seen: readonly Seen[], { event }: Seen): string | undefined {
  const { step, action, outcome } = event;
  const path = FORWARD.includes(step) ? FORWARD : CANCEL;
  const at = path.indexOf(step);
  if (action === SagaAction.RUN && outcome === SagaOutcome.SUCCEEDED) {
    const next = path[at + 1];
    return next === undefined ? undefined : rowOf(next, SagaAction.RUN);
  }
  const done = new Set(
    seen
      .filter(
        (one) => one.event.action === SagaAction.RUN && one.event.outcome === SagaOutcome.SUCCEEDED,
      )
      .map((one) => one.event.step),
  );
  const undone = path.slice(0, at).findLast((name) => done.has(name));
  return undone === undefined ? undefined : rowOf(undone, SagaAction.UNDO);
}

/** The rows of the way forward are always there, so that nothing jumps; others when they begin. */
function rowKeys(
  planned: readonly string[],
  attempts: readonly Seen[],
  current: Current | undefined,
): string[] {
  const forward = planned.map((step) => rowOf(step, SagaAction.RUN));
  const found = [...attempts.map(({ row }) => row), ...(current ? [current.row] : [])];
  return [...new Set([...forward, ...found])];
}

function rowFor(
  key: string,
  attempts: readonly Seen[],
  takeOvers: readonly TakeOver[],
  current: Current | undefined,
): Row {
  const own = attempts.filter(({ row }) => row === key);
  const lost = takeOvers.filter(({ row }) => row === key).map(lostBar);
  const recorded = own.map(
    ({ event, startMs, endMs }, index): Bar => ({
      key: `${key} ${index}`,
      kind: KINDS[event.outcome] ?? "done",
      startMs,
      endMs,
      attempt: event.attempt,
      worker: event.worker,
      message: event.message,
    }),
  );
  const bars = [...lost, ...recorded].sort((a, b) => a.startMs - b.startMs);
  const here = current?.row === key ? current : undefined;
  const waits = bars.flatMap((bar, index): Wait[] => {
    const next = bars[index + 1] ?? here?.bar;
    return next === undefined || !REPEATED.has(bar.kind)
      ? []
      : [{ startMs: bar.endMs, endMs: next.startMs }];
  });
  const step = key.slice(key.indexOf(" ") + 1);
  const undo = key.startsWith("undo ");
  return {
    key,
    name: undo ? undoName(step) : (CANCEL_NAMES[step] ?? step),
    back: undo || CANCEL.includes(step),
    bars: here?.bar ? [...bars, here.bar] : bars,
    waits: here?.wait ? [...waits, here.wait] : waits,
  };
}

/** What the old worker was doing is not known: it is drawn until the new one came. */
const lostBar = ({ atMs, afterMs, attempt, from, to, row }: TakeOver): Bar => ({
  key: `${row} lost ${atMs}`,
  kind: "lost",
  startMs: atMs - afterMs,
  endMs: atMs,
  attempt,
  worker: from,
  message: `${from} was gone; ${to} took over, with the same key`,
});

function takeOversOf(seen: readonly Seen[]): TakeOver[] {
  const found: TakeOver[] = [];
  let last: Seen | undefined;
  for (const one of seen) {
    const { worker } = one.event;
    if (worker === "") continue;
    if (last !== undefined && last.event.worker !== worker && !isIntervention(one))
      found.push({
        atMs: one.startMs,
        from: last.event.worker,
        to: worker,
        afterMs: Math.max(MIN_TAKE_OVER_MS, one.startMs - last.endMs),
        row: one.row,
        attempt: one.event.attempt,
      });
    last = one;
  }
  // An order that is cancelled later may be driven by anyone: that is no take-over.
  return found.filter(({ atMs }) =>
    seen.some(({ event, startMs }) => startMs === atMs && event.outcome === SagaOutcome.STARTED),
  );
}

const isIntervention = ({ event }: Seen): boolean => event.outcome === SagaOutcome.RESOLVED;

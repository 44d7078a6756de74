import type { MoveEvent, SagaEvent } from "./saga.ts";

/** The fields of a stored saga that hold its events. */
export interface StoredEvents {
  /** Those that earlier versions of the engine wrote. */
  readonly events: readonly SagaEvent[];
  /**
   * One line of JSON per transition, since a timeline is most of what a saga writes:
   *
   *     [milliseconds since 1970, worker, [agoMs, step, durationMs, others], ...]
   *
   * `others` is an object of the fields that are not the usual ones, and absent if all are. The
   * database writes the time: all of the line but the worker and the events.
   */
  readonly history: string;
}

type Others = Partial<
  Pick<SagaEvent, "action" | "outcome" | "attempt" | "message" | "principal" | "worker">
>;
type Line = readonly [
  time: number,
  worker: string,
  ...events: (readonly [agoMs: number, step: string, durationMs: number, others?: Others])[],
];

const USUAL = { action: "RUN", outcome: "SUCCEEDED", attempt: 1, message: "" } as const;

/** Returns a line's worker and events, without the brackets around them; empty if there is none. */
export function encodeEvents(events: readonly MoveEvent[]): string {
  const [first] = events;
  if (first === undefined) return "";
  const parts = events.map(({ agoMs, step, durationMs, worker, ...event }) => {
    const unusual = Object.entries(event).filter(
      ([name, value]) => value !== undefined && value !== USUAL[name as keyof typeof USUAL],
    );
    const others = { ...Object.fromEntries(unusual), ...(worker !== first.worker && { worker }) };
    const usual = [Math.round(agoMs), step, durationMs];
    return Object.keys(others).length === 0 ? usual : [...usual, others];
  });
  return [first.worker, ...parts].map((part) => JSON.stringify(part)).join(",");
}

/** Returns all events of a stored saga, the oldest first. */
export function eventsOf({ events, history }: StoredEvents): readonly SagaEvent[] {
  if (history === "") return events;
  const lines = history.trimEnd().split("\n");
  const later = lines.flatMap((line) => decodeLine(JSON.parse(line) as Line));
  // Stable: workers of both versions may have written to one saga.
  return events.length === 0
    ? later
    : [...events, ...later].sort((a, b) => Date.parse(a.time) - Date.parse(b.time));
}

const decodeLine = ([time, worker, ...events]: Line): SagaEvent[] =>
  events.map(([agoMs, step, durationMs, others]) => ({
    time: new Date(time - agoMs).toISOString(),
    step,
    ...USUAL,
    durationMs,
    worker,
    ...others,
  }));

import { useEffect, useMemo, useState } from "react";
import { formatSpan } from "../ui/format.ts";
import { type Bar, type Gantt, type GanttInput, ganttOf, type Row } from "./gantt.ts";
import { type TimeAxis, timeAxis } from "./time-axis.ts";

const WORDS: Readonly<Record<Bar["kind"], string>> = {
  done: "succeeded",
  refused: "refused",
  unknown: "outcome unknown",
  retry: "failed, repeated later",
  resolved: "settled by an operator",
  lost: "cut off with its worker",
  running: "running",
};

const percent = (share: number): string => `${(share * 100).toFixed(3)}%`;

/** An order's timeline as bars on a time axis; the present moves while the order is open. */
export function GanttChart(input: Omit<GanttInput, "nowMs"> & { readonly skewMs: number }) {
  const { kind, createMs, events, open, skewMs } = input;
  const nowMs = useFrameTime(open) - skewMs;
  const gantt = useMemo(
    () => ganttOf({ ...(kind !== undefined && { kind }), createMs, events, open, nowMs }),
    [kind, createMs, events, open, nowMs],
  );
  const axis = axisOf(gantt);
  const [chosen, setChosen] = useState<string>();
  const all = gantt.rows.flatMap((row) => row.bars.map((bar) => ({ row, bar })));
  const latest = all.toSorted((a, b) => a.bar.endMs - b.bar.endMs).at(-1);
  const shown = all.find(({ bar }) => bar.key === chosen) ?? latest;
  const firstBack = gantt.rows.findIndex(({ back }) => back);
  return (
    <figure className="gantt" aria-label="Timeline">
      <div className="gantt-rows">
        <Axis axis={axis} />
        {gantt.rows.map((row, index) => (
          <GanttRow
            key={row.key}
            row={row}
            axis={axis}
            firstBack={index === firstBack}
            chosen={shown?.bar.key}
            onChoose={setChosen}
          />
        ))}
        {gantt.takeOvers.map(({ atMs, from, to }) => (
          <span
            key={atMs}
            className="take-over"
            style={{ "--at": axis.at(atMs) } as React.CSSProperties}
          >
            <span>
              {from} → {to}
            </span>
          </span>
        ))}
      </div>
      <figcaption className="gantt-detail">
        {shown ? <Detail row={shown.row} bar={shown.bar} /> : "Nothing has happened yet."}
      </figcaption>
    </figure>
  );
}

const axisOf = ({ startMs, endMs, rows, takeOvers }: Gantt): TimeAxis =>
  timeAxis(startMs, endMs, [
    ...rows.flatMap(({ bars, waits }) => [...bars, ...waits]),
    ...takeOvers.map(({ atMs, afterMs }) => ({ startMs: atMs - afterMs, endMs: atMs })),
  ]);

const Axis = ({ axis }: { readonly axis: TimeAxis }) => (
  <div className="gantt-axis" aria-hidden>
    {axis.ticks.map(({ at, ms }) => (
      <span key={ms} className="tick" style={{ left: percent(at) }}>
        {ms === 0 ? "0" : `${formatSpan(ms)}`}
      </span>
    ))}
    {axis.stretches.slice(1).map(({ from, startMs }) => (
      <span key={startMs} className="cut" style={{ left: percent(from - 0.025) }} />
    ))}
  </div>
);

function GanttRow({
  row,
  axis,
  firstBack,
  chosen,
  onChoose,
}: {
  readonly row: Row;
  readonly axis: TimeAxis;
  readonly firstBack: boolean;
  readonly chosen: string | undefined;
  readonly onChoose: (key: string) => void;
}) {
  return (
    <div
      className="gantt-row"
      data-back={row.back || undefined}
      data-first={firstBack || undefined}
    >
      <span className="gantt-name">{row.name}</span>
      <div className="gantt-track">
        {axis.ticks.map(({ at, ms }) => (
          <span key={ms} className="gridline" style={{ left: percent(at) }} aria-hidden />
        ))}
        {row.waits.map(({ startMs, endMs }) => (
          <span
            key={startMs}
            className="wait"
            style={{ left: percent(axis.at(startMs)), right: percent(1 - axis.at(endMs)) }}
            aria-hidden
          />
        ))}
        {row.bars.map((bar) => (
          <button
            key={bar.key}
            type="button"
            className="bar"
            data-kind={bar.kind}
            data-chosen={bar.key === chosen || undefined}
            style={{
              left: percent(axis.at(bar.startMs)),
              right: percent(1 - axis.at(bar.endMs)),
            }}
            aria-label={describe(row, bar)}
            onPointerEnter={() => onChoose(bar.key)}
            onFocus={() => onChoose(bar.key)}
            onClick={() => onChoose(bar.key)}
          />
        ))}
      </div>
    </div>
  );
}

const describe = ({ name }: Row, { kind, attempt, startMs, endMs }: Bar): string =>
  kind === "running"
    ? `${name}, attempt ${attempt}, running`
    : `${name}, attempt ${attempt}, ${WORDS[kind]}, ${formatSpan(endMs - startMs)}`;

function Detail({ row, bar }: { readonly row: Row; readonly bar: Bar }) {
  const { kind, attempt, startMs, endMs, worker, message } = bar;
  return (
    <>
      <span className="detail-key" data-kind={kind} data-back={row.back || undefined} aria-hidden />
      <strong>{row.name}</strong>
      <span>attempt {attempt}</span>
      <span>{WORDS[kind]}</span>
      <span className="tabular">{formatSpan(endMs - startMs)}</span>
      {worker !== "" && <span className="detail-worker">by {worker}</span>}
      {message !== "" && <span className="detail-message">{message}</span>}
    </>
  );
}

/** The present, for each frame while it matters. */
function useFrameTime(moving: boolean): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    if (!moving) return;
    let frame = requestAnimationFrame(function next() {
      setNow(Date.now());
      frame = requestAnimationFrame(next);
    });
    return () => cancelAnimationFrame(frame);
  }, [moving]);
  return now;
}

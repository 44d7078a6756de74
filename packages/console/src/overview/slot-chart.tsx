import { useId, useState } from "react";

export interface Series {
  readonly name: string;
  readonly tone: "green" | "grey" | "amber" | "blue" | "accent";
  readonly values: readonly (number | undefined)[];
}

const HEIGHT = 160;
const WIDTH = 600;
const LINES = 4;

const clock = new Intl.DateTimeFormat("en", { hour: "2-digit", minute: "2-digit", hour12: false });

/** Values over time: stacked columns, or one line per series. With the same as a table. */
export function SlotChart({
  title,
  series,
  times,
  stacked = false,
  format,
}: {
  readonly title: string;
  readonly series: readonly Series[];
  readonly times: readonly number[];
  readonly stacked?: boolean;
  readonly format: (value: number) => string;
}) {
  const [at, setAt] = useState<number>();
  const table = useId();
  const totals = times.map((_, slot) =>
    stacked
      ? series.reduce((sum, { values }) => sum + (values[slot] ?? 0), 0)
      : Math.max(0, ...series.map(({ values }) => values[slot] ?? 0)),
  );
  const top = niceTop(Math.max(1, ...totals));
  const y = (value: number) => HEIGHT - (value / top) * HEIGHT;
  const step = WIDTH / Math.max(1, times.length);
  return (
    <figure className="chart" aria-labelledby={table}>
      <div className="chart-legend">
        {series.map(({ name, tone, values }) => (
          <span key={name} data-tone={tone}>
            <i aria-hidden />
            {name}
            {at !== undefined && <b className="tabular">{shown(values[at], format)}</b>}
          </span>
        ))}
        {at !== undefined && <time>{clock.format(times[at])}</time>}
      </div>
      <div className="chart-plot">
        <div className="chart-scale" aria-hidden>
          {Array.from({ length: LINES + 1 }, (_, line) =>
            format((top / LINES) * (LINES - line)),
          ).map((text) => (
            <span key={text}>{text}</span>
          ))}
        </div>
        <svg
          viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
          preserveAspectRatio="none"
          aria-hidden="true"
          onPointerLeave={() => setAt(undefined)}
        >
          {Array.from({ length: LINES + 1 }, (_, line) => (HEIGHT / LINES) * line).map((line) => (
            <line key={line} x1={0} x2={WIDTH} y1={line} y2={line} className="chart-line" />
          ))}
          {stacked
            ? times.map((time, slot) => (
                <Column key={time} series={series} slot={slot} x={slot * step} width={step} y={y} />
              ))
            : series.map((one) => (
                <path
                  key={one.name}
                  d={pathOf(one.values, step, y)}
                  data-tone={one.tone}
                  className="chart-path"
                />
              ))}
          {times.map((time, slot) => (
            <rect
              key={time}
              x={slot * step}
              y={0}
              width={step}
              height={HEIGHT}
              className="chart-slot"
              data-at={slot === at || undefined}
              onPointerEnter={() => setAt(slot)}
            />
          ))}
        </svg>
        <div className="chart-times" aria-hidden>
          {times
            .filter((_, slot) => slot % Math.ceil(times.length / 5) === 0)
            .map((time) => (
              <span key={time}>{clock.format(time)}</span>
            ))}
          <span>now</span>
        </div>
      </div>
      <table className="visually-hidden" id={table}>
        <caption>{title}</caption>
        <thead>
          <tr>
            <th scope="col">Time</th>
            {series.map(({ name }) => (
              <th key={name} scope="col">
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {times.map((time, slot) => (
            <tr key={time}>
              <th scope="row">{clock.format(time)}</th>
              {series.map(({ name, values }) => (
                <td key={name}>{shown(values[slot], format)}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </figure>
  );
}

const shown = (value: number | undefined, format: (value: number) => string): string =>
  value === undefined ? "none" : format(value);

function Column({
  series,
  slot,
  x,
  width,
  y,
}: {
  readonly series: readonly Series[];
  readonly slot: number;
  readonly x: number;
  readonly width: number;
  readonly y: (value: number) => number;
}) {
  let below = 0;
  return series.map(({ name, tone, values }) => {
    const value = values[slot] ?? 0;
    const from = below;
    below += value;
    return (
      value > 0 && (
        <rect
          key={name}
          x={x + width * 0.14}
          width={width * 0.72}
          y={y(below)}
          height={y(from) - y(below)}
          data-tone={tone}
          className="chart-column"
        />
      )
    );
  });
}

/** A line that is broken where there is no value. */
function pathOf(
  values: readonly (number | undefined)[],
  step: number,
  y: (value: number) => number,
): string {
  let path = "";
  let broken = true;
  values.forEach((value, slot) => {
    if (value === undefined) {
      broken = true;
      return;
    }
    const x = (slot + 0.5) * step;
    // A lone value is a dot: a line of no length with round ends.
    path += `${broken ? "M" : "L"}${x.toFixed(1)} ${y(value).toFixed(1)}${broken ? "h0.01" : ""}`;
    broken = false;
  });
  return path;
}

const NICE = [1, 2, 4, 5, 8, 10];

function niceTop(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  return (NICE.find((factor) => factor * power >= value) ?? 10) * power;
}

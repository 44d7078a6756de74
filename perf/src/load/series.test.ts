import { expect, test } from "vitest";
import { Series } from "./series.ts";

const START = Date.parse("2026-01-01T00:00:00Z");
const line = (metric: string, atMs: number, value: number): string =>
  JSON.stringify({
    metric,
    type: "Point",
    data: { time: new Date(START + atMs).toISOString(), value, tags: {} },
  });

/** An order that ended, as the scripts report it. */
const order = (atMs: number, tookMs: number, right = true): string[] => [
  line("took", atMs, tookMs),
  line("payment_processing_success", atMs, Number(right)),
];

function seriesOf(lines: readonly string[]): Series {
  const series = new Series("took");
  for (const one of lines) series.addLine(one);
  return series;
}

test("each second has its orders, failures and latencies; one without orders has no latency", () => {
  const lines = [
    line("vus", 0, 2),
    ...order(100, 10),
    ...order(900, 30, false),
    line("vus", 1_000, 3),
    ...order(2_500, 20),
  ];
  expect(seriesOf(lines).timeline()).toEqual({
    stepMs: 1_000,
    users: [2, 3, undefined],
    perSecond: [2, 0, 1],
    failedPerSecond: [1, 0, 0],
    p50: [10, undefined, 20],
    p95: [30, undefined, 20],
    p99: [30, undefined, 20],
  });
});

test("time begins when there are users: the preparations are left out", () => {
  const lines = [
    line("vus", 0, 0),
    line("http_req_duration", 500, 1),
    line("vus", 5_000, 1),
    ...order(5_200, 10),
  ];
  expect(seriesOf(lines).timeline()).toMatchObject({ users: [1], perSecond: [1] });
});

test("declarations, other metrics and other output are passed over", () => {
  const declaration = '{"type":"Metric","data":{"name":"took","submetrics":[]},"metric":"took"}';
  expect(
    seriesOf([declaration, "", "no JSON", line("took_not", 0, 1)]).timeline().perSecond,
  ).toEqual([]);
});

test("a long run has longer steps: a chart has room for 240", () => {
  const lines = [
    line("vus", 0, 1),
    ...Array.from({ length: 960 }, (_, second) => order(second * 1_000, second)).flat(),
  ];
  const { stepMs, perSecond, p50 } = seriesOf(lines).timeline();
  expect({ stepMs, steps: perSecond.length, rate: new Set(perSecond) }).toEqual({
    stepMs: 4_000,
    steps: 240,
    rate: new Set([1]),
  });
  expect(p50[1]).toBe(5);
});

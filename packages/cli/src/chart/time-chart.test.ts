import { expect, test } from "vitest";
import { timeChart } from "./time-chart.ts";

const RED = "#d33";
const panel = {
  title: "orders/s",
  lines: [{ name: "orders", colour: RED, values: [0, 10, 5, 0] }],
};

test("a chart shows each step, what lasted and what happened", () => {
  const svg = timeChart({
    title: "a < b",
    stepMs: 1_000,
    panels: [panel],
    bands: [{ label: "down", colour: "#00f", fromMs: 1_000, toMs: 2_000 }],
    marks: [{ label: "killed", colour: "#f00", atMs: 3_000 }],
  });
  expect(svg).toContain("a &lt; b");
  expect(svg).toContain("<title>down</title>");
  expect(svg).toContain("<title>0:03 killed</title>");
  // A quarter of the width for each of the four seconds; a line's point is in the middle of its
  // second.
  expect(svg).toMatch(/<rect x="280" y="70" width="220"/);
  expect(svg).toContain('d="M170 220L390 70L610 145L830 220"');
});

test("where there is no value the line has a gap, and a value alone is a dot", () => {
  const line = { name: "p99", colour: RED, values: [1, undefined, 2, undefined, 2, 1] };
  const svg = timeChart({
    title: "latency",
    stepMs: 1_000,
    panels: [{ title: "ms", lines: [line] }],
  });
  expect(svg.match(/ d="([^"]*)"/)?.[1]).toBe("M133.3 145h0M426.7 70h0M720 70L866.7 145");
});

test("lines that share a panel are named, one alone is what the title says", () => {
  const named = (svg: string) =>
    [...svg.matchAll(/<text [^>]*>(p\d+)<\/text>/g)].map(([, name]) => name);
  const p50 = { name: "p50", colour: RED, values: [1] };
  const p99 = { name: "p99", colour: RED, values: [2] };
  expect(
    named(timeChart({ title: "", stepMs: 1, panels: [{ title: "ms", lines: [p50] }] })),
  ).toEqual([]);
  expect(
    named(timeChart({ title: "", stepMs: 1, panels: [{ title: "ms", lines: [p50, p99] }] })),
  ).toEqual(["p50", "p99"]);
});

test("a limit is drawn where the scale reaches it", () => {
  const limits = [
    { label: "near", colour: RED, value: 8 },
    { label: "far", colour: RED, value: 800 },
  ];
  const svg = timeChart({ title: "", stepMs: 1_000, panels: [{ ...panel, limits }] });
  expect(svg.match(/stroke-dasharray="6 4"/g)).toHaveLength(1);
});

import { expect, test } from "vitest";
import { throughputChart } from "./chart.ts";

test("a chart shows each second, what lasted and what happened", () => {
  const svg = throughputChart({
    title: "a < b",
    perSecond: [0, 10, 5, 0],
    bands: [{ label: "down", colour: "#00f", fromMs: 1_000, toMs: 2_000 }],
    marks: [{ label: "killed", colour: "#f00", atMs: 3_000 }],
  });
  expect(svg).toContain("a &lt; b");
  expect(svg.match(/<polyline points="([^"]*)"/)?.[1]?.split(" ")).toHaveLength(4);
  expect(svg).toContain("<title>down</title>");
  expect(svg).toContain("<title>0:03 killed</title>");
  // A quarter of the line's width for each of the four seconds.
  expect(svg).toMatch(/<rect x="335" y="48" width="283"/);
});

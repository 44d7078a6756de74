import { expect, test } from "vitest";
import { barChart } from "./bar-chart.ts";

test("bars have the proportions of their values within their group, and names are text", () => {
  const svg = barChart({
    title: "calls",
    groups: [
      {
        name: "a",
        bars: [
          { name: "<one>", value: 10, label: "10" },
          { name: "two", value: 5, label: "5" },
        ],
      },
      { name: "b", bars: [{ name: "three", value: 1, label: "1" }] },
    ],
  });
  const [one, two, three] = [...svg.matchAll(/<rect x="150" y="\d+" width="(\d+)"/g)].map(
    ([, width]) => Number(width),
  );
  expect(one).toBeGreaterThan(100);
  expect([two, three]).toEqual([(one ?? 0) / 2, one]);
  expect(svg).toContain("&lt;one>");
});

import { expect, test } from "vitest";
import { metricsIn } from "./promql.ts";

test.each([
  ["up", ["up"]],
  ['sum by (a, b) (rate(x_total{a="by (c)", b!~"y_total|{"}[5m] offset 1h))', ["x_total"]],
  ["sum(rate(x_total[$__rate_interval])) by (le)", ["x_total"]],
  ["sum(increase(x_total[$__range]))", ["x_total"]],
  ["histogram_quantile(0.95, sum by (le) (rate(x_bucket[5m]))) > 1e3", ["x_bucket"]],
  [
    "level:x:ratio5m > 0.1 and on (a) level:x:ratio1h > 14.4 * 0.001 # unless y",
    ["level:x:ratio5m", "level:x:ratio1h"],
  ],
  ["a / ignoring (b) group_left (c) d unless e == bool 2", ["a", "d", "e"]],
  ["absent(a) or vector(0) + Inf", ["a"]],
])("%s reads %j", (query, names) => {
  expect(metricsIn(query)).toEqual(names);
});

test("a query that is not PromQL is an error that names the place", () => {
  expect(() => metricsIn("sum(rate(x_total[5m])")).toThrow("is not PromQL");
  expect(() => metricsIn("a + * b")).toThrow('at "* b"');
});

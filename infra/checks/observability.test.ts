import { listFiles, readTexts } from "@tercet/cli/repository";
import { expect, test } from "vitest";
import { observabilityProblems } from "./observability.ts";
import { METRICS_PAGE } from "./observability-files.ts";

const PAGE = `
| Metric | Type |
|---|---|
| \`x_seconds\` | histogram |
| \`y_total\` | counter |
| \`job:y:rate\`, \`job:y:spare\` | gauge |

### Wrong
`;

const RULES = `groups: [{ rules: [
  { record: "job:y:rate", expr: "sum(rate(y_total[5m]))" },
  { alert: Wrong, expr: "job:y:rate > 1", labels: { severity: page }, annotations: { summary: s, description: d, runbook_url: '{{ or $externalLabels.runbook_base_url "https://github.com/tercet/tercet/blob/main" }}/docs/metrics.md#wrong' } }] }]`;

const good = {
  "docs/metrics.md": PAGE,
  "infra/prometheus/rules/a.yml": RULES,
  "infra/prometheus/tests/a.yml": `tests: [{ promql_expr_test: [{ expr: 'ALERTS{alertname="Wrong"}', exp_samples: [{}] }] }]`,
  "infra/grafana/provisioning/datasources/a.yaml":
    "datasources: [{ uid: p, jsonData: { to: { datasourceUid: p } } }]",
  "infra/grafana/dashboards/a.json":
    '{ "panels": [{ "datasource": { "uid": "p" }, "targets": [{ "expr": "x_seconds_count" }] }] }',
};

test("nothing is wrong with files that agree", () => {
  expect(observabilityProblems(new Map(Object.entries(good)))).toEqual([]);
});

type Path = keyof typeof good;

test.each<[Path, string, string, string]>([
  ["infra/prometheus/rules/a.yml", "groups:", "groups: ]", "infra/prometheus/rules/a.yml: "],
  ["infra/grafana/dashboards/a.json", "{", "", "infra/grafana/dashboards/a.json: SyntaxError"],
  [
    "infra/grafana/dashboards/a.json",
    "x_seconds_count",
    "rate(x_seconds_count[5m]) + z",
    "infra/grafana/dashboards/a.json: z is not in docs/metrics.md",
  ],
  [
    "infra/grafana/dashboards/a.json",
    "x_seconds_count",
    "y_total",
    "docs/metrics.md: nothing uses x_seconds",
  ],
  [
    "docs/metrics.md",
    "`y_total`",
    "`y_seconds`",
    "infra/prometheus/rules/a.yml: y_total is not in docs/metrics.md",
  ],
  [
    "docs/metrics.md",
    "`job:y:rate`, ",
    "",
    "infra/prometheus/rules/a.yml: job:y:rate is not in docs/metrics.md",
  ],
  [
    "docs/metrics.md",
    "### Wrong",
    "```promql\nsum(w)\n```\n### Wrong",
    "docs/metrics.md: w is not in docs/metrics.md",
  ],
  [
    "infra/grafana/dashboards/a.json",
    '"p"',
    '"q"',
    "infra/grafana/dashboards/a.json: data source q is not provisioned",
  ],
  [
    "infra/grafana/provisioning/datasources/a.yaml",
    "datasourceUid: p",
    "datasourceUid: q",
    "infra/grafana/provisioning/datasources/a.yaml: data source q is not",
  ],
  [
    "infra/prometheus/rules/a.yml",
    "severity: page",
    "severity: blue",
    "infra/prometheus/rules/a.yml: Wrong has no severity",
  ],
  [
    "infra/prometheus/rules/a.yml",
    "description: d, ",
    "",
    "infra/prometheus/rules/a.yml: Wrong has no description",
  ],
  [
    "infra/prometheus/rules/a.yml",
    "#wrong",
    "#nowhere",
    "infra/prometheus/rules/a.yml: Wrong has no runbook_url that leads to its paragraph",
  ],
  [
    "infra/prometheus/rules/a.yml",
    `{{ or $externalLabels.runbook_base_url "https://github.com/tercet/tercet/blob/main" }}/docs`,
    "docs",
    "infra/prometheus/rules/a.yml: Wrong has no runbook_url that begins with {{ or $external",
  ],
  [
    "infra/prometheus/tests/a.yml",
    "[{}]",
    "[]",
    "infra/prometheus/rules/a.yml: Wrong fires in no test",
  ],
])("%s with another %j", (path, before, after, problem) => {
  expect(good[path]).toContain(before);
  const problems = observabilityProblems(
    new Map(Object.entries({ ...good, [path]: good[path].replace(before, after) })),
  );
  expect(problems).toContainEqual(expect.stringContaining(problem));
});

test("log lines that dashboards and docs/metrics.md search for are written", async () => {
  const files = await readTexts(await listFiles());
  const searched = [...files]
    .filter(([path]) => path === METRICS_PAGE || path.startsWith("infra/grafana/dashboards/"))
    .flatMap(([, text]) => [...text.matchAll(/\|= \\?"([^"\\]+)/g)].map(([, line = ""]) => line));
  expect(new Set(searched)).toEqual(new Set(["circuit breaker", "circuit breaker opened"]));
  const sources = [...files].filter(([path]) =>
    /^packages\/\w+\/src\/.*(?<!\.test)\.ts$/.test(path),
  );
  for (const line of searched)
    expect(
      sources.some(([, text]) => text.includes(`"${line}`)),
      line,
    ).toBe(true);
});

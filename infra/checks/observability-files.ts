import { listFiles, readTexts } from "@tercet/cli/repository";
import { parse } from "yaml";
import { DASHBOARDS } from "../grafana/dashboards.ts";

/** Text by path, from the root. */
export type Files = ReadonlyMap<string, string>;

/** The page that lists every metric and has a paragraph for every alert. */
export const METRICS_PAGE = "docs/metrics.md";

export const readObservabilityFiles = async (): Promise<Files> =>
  readTexts(
    (await listFiles()).filter((path) => path.startsWith("infra/") || path === METRICS_PAGE),
  );

export interface Query {
  readonly path: string;
  readonly query: string;
}

export interface Rule {
  readonly path: string;
  readonly record?: string;
  readonly alert?: string;
  readonly expr: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** The part of a file for `promtool test rules` that is read here. */
export interface RuleTest {
  readonly promql_expr_test?: readonly {
    readonly expr: string;
    readonly exp_samples: readonly unknown[];
  }[];
}

export const filesIn = (files: Files, folder: string): [string, string][] =>
  [...files].filter(([path]) => path.startsWith(`${folder}/`));

export const readRules = (files: Files): Rule[] =>
  filesIn(files, "infra/prometheus/rules").flatMap(([path, text]) =>
    (parse(text) as { groups: { rules: Rule[] }[] }).groups.flatMap(({ rules }) =>
      rules.map((rule) => ({ ...rule, path })),
    ),
  );

export const readRuleTests = (files: Files): RuleTest[] =>
  filesIn(files, "infra/prometheus/tests").flatMap(
    ([, text]) => (parse(text) as { tests: RuleTest[] }).tests,
  );

/** Returns the queries of panels and of the page, where each line of a promql block is one. */
export function readQueries(files: Files): Query[] {
  const panels = filesIn(files, DASHBOARDS).flatMap(([path, text]) =>
    (JSON.parse(text) as Dashboard).panels.flatMap(({ targets }) =>
      targets.map(({ expr: query }) => ({ path, query })),
    ),
  );
  const blocks = [...pageOf(files).matchAll(/^```promql\n(.*?)^```$/gms)].map(
    ([, block = ""]) => block,
  );
  const lines = blocks.flatMap((block) => block.split("\n").filter((line) => line.trim() !== ""));
  return [...panels, ...lines.map((query) => ({ path: METRICS_PAGE, query }))];
}

interface Dashboard {
  readonly panels: readonly { readonly targets: readonly { readonly expr: string }[] }[];
}

/** Returns the names in each row of the page's tables whose first column is "Metric". */
export function readListedMetrics(files: Files): string[][] {
  const tables = [...pageOf(files).matchAll(/^\| Metric \|.*\n\|[-|]+\n((?:\|.*\n?)*)/gm)].map(
    ([, rows = ""]) => rows,
  );
  const cells = tables
    .flatMap((rows) => rows.trimEnd().split("\n"))
    .map((row) => row.split("|")[1] ?? "");
  return cells.map((cell) => [...cell.matchAll(/`([^`]+)`/g)].map(([, name = ""]) => name));
}

/** Returns the anchors of the page's headings. */
export const readAnchors = (files: Files): Set<string> =>
  new Set(
    [...pageOf(files).matchAll(/^#+ (.*)$/gm)].map(([, title = ""]) =>
      title.toLowerCase().replaceAll(" ", "-"),
    ),
  );

const pageOf = (files: Files): string => files.get(METRICS_PAGE) ?? "";

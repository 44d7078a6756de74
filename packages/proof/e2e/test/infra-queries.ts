import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "@tercet/cli";
import { parse } from "yaml";

/** One line of a panel, or an alert. */
export interface NamedQuery {
  /** "red.json" */
  readonly file: string;
  readonly title: string;
  readonly legend: string;
  readonly expr: string;
}

interface Dashboard {
  readonly panels: readonly {
    readonly title: string;
    readonly targets: readonly { readonly expr: string; readonly legendFormat: string }[];
  }[];
}

/** Every query of every panel. Where Grafana would choose a duration, it is five minutes. */
export const panelQueries: readonly NamedQuery[] = globSync("*.json", {
  cwd: join(ROOT, "infra/grafana/dashboards"),
})
  .sort()
  .flatMap((file) => {
    const { panels } = JSON.parse(
      readFileSync(join(ROOT, "infra/grafana/dashboards", file), "utf8"),
    ) as Dashboard;
    return panels.flatMap(({ title, targets }) =>
      targets.map(({ expr, legendFormat: legend }) => ({
        file,
        title,
        legend,
        expr: expr.replace(/\$__(?:rate_interval|range)\b/g, "5m"),
      })),
    );
  });

const COMPARISON = /\s*(?:[<>]=?|==|!=)\s*[\d.]+/g;
const ABSENCE = /\babsent\(/g;

interface Rules {
  readonly groups: readonly {
    readonly rules: readonly { readonly alert: string; readonly expr: string }[];
  }[];
}

/** Every alert's query without its comparison with a number or its `absent()`. */
export const alertQueries: readonly NamedQuery[] = (
  parse(readFileSync(join(ROOT, "infra/prometheus/rules/alerts.yml"), "utf8")) as Rules
).groups.flatMap(({ rules }) =>
  rules.map(({ alert, expr }) => ({
    file: "alerts.yml",
    title: alert,
    legend: "",
    expr: expr.replace(COMPARISON, "").replace(ABSENCE, "("),
  })),
);

/**
 * The metrics that docs/metrics.md lists, with the names that Prometheus gives to parts of
 * histograms.
 */
export function listedMetrics(): Set<string> {
  const page = readFileSync(join(ROOT, "docs/metrics.md"), "utf8");
  const names = [...page.matchAll(/^\| (`.*?) \|/gm)].flatMap(([, cell = ""]) =>
    [...cell.matchAll(/`([^`]+)`/g)].map(([, name = ""]) => name),
  );
  return new Set(
    names.flatMap((name) => [name, ...["bucket", "count", "sum"].map((part) => `${name}_${part}`)]),
  );
}

import { parser } from "@prometheus-io/lezer-promql";

/** Grafana replaces these by durations; PromQL's own grammar does not know them. */
const GRAFANA_DURATIONS = /\$__(?:rate_interval|range)\b/g;

/** Returns a panel's query in PromQL, with durations of five minutes. */
export const withDurations = (query: string): string => query.replace(GRAFANA_DURATIONS, "5m");

/**
 * Returns the metrics that a query reads, histograms with their endings. Throws if the query is not
 * PromQL.
 */
export function metricsIn(query: string): string[] {
  const text = withDurations(query);
  const names = new Set<string>();
  parser.parse(text).iterate({
    enter: ({ type, from, to, node }) => {
      if (type.isError) throw new Error(`"${query}" is not PromQL, at "${text.slice(from)}"`);
      if (type.name === "Identifier" && node.parent?.name === "VectorSelector")
        names.add(text.slice(from, to));
    },
  });
  return [...names];
}

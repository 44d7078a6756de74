import { parser } from "@prometheus-io/lezer-promql";

/** Grafana replaces it by a duration; PromQL's own grammar does not know it. */
const RATE_INTERVAL = "$__rate_interval";

/**
 * Returns the metrics that a query reads, histograms with their endings. Throws if the query is not
 * PromQL.
 */
export function metricsIn(query: string): string[] {
  const text = query.replaceAll(RATE_INTERVAL, "5m");
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

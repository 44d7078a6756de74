import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Outcome, outcomeOf, passed, temporaryFolder } from "@tercet/cli/repository";
import { stringify } from "yaml";
import { filesIn, type Query, readObservabilityFiles, readQueries } from "./observability-files.ts";
import { withDurations } from "./promql.ts";

/** Checks Prometheus' configuration, every query, and the rules' own tests with promtool. */
export async function checkPrometheus(): Promise<Outcome> {
  const files = await readObservabilityFiles();
  await using folder = await temporaryFolder("queries");
  const queries = join(folder.path, "queries.yml");
  await writeFile(queries, asRules(readQueries(files)));
  const tests = filesIn(files, "infra/prometheus/tests").map(([path]) => path);
  for (const args of [
    ["check", "config", "infra/prometheus/prometheus.yml"],
    ["check", "rules", queries],
    ["test", "rules", ...tests],
  ]) {
    const outcome = await outcomeOf("promtool", ...args);
    if (outcome.kind !== "passed") return outcome;
  }
  return passed;
}

/** Writes queries as recording rules: promtool checks queries only inside rules. */
function asRules(queries: readonly Query[]): string {
  const groups = queries.map(({ path, query }, index) => {
    const rule = { record: "query", labels: { path }, expr: withDurations(query) };
    return { name: String(index), rules: [rule] };
  });
  return stringify({ groups });
}

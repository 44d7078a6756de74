import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  execute,
  listFiles,
  type Outcome,
  outcomeOf,
  passed,
  readTexts,
  temporaryFolder,
} from "@tercet/cli/repository";
import { stringify } from "yaml";
import { filesIn, METRICS_PAGE, type Query, readQueries } from "./observability-files.ts";

/** Checks Prometheus' configuration, every query, and the rules' own tests with promtool. */
export async function checkPrometheus(): Promise<Outcome> {
  const version = await execute("promtool", ["--version"]);
  if (version.code !== 0) return { kind: "skipped", reason: "promtool is not installed" };
  const files = await readTexts(
    (await listFiles()).filter((path) => path.startsWith("infra/") || path === METRICS_PAGE),
  );
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
  const rules = queries.map(({ path, query }) => ({
    record: "query",
    labels: { path },
    expr: query.replaceAll("$__rate_interval", "5m"),
  }));
  return stringify({
    groups: rules.map((rule, index) => ({ name: String(index), rules: [rule] })),
  });
}

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execute, listFiles, type Outcome, passed, readTexts } from "@tercet/cli/repository";
import { stringify } from "yaml";
import { filesIn, METRICS_PAGE, type Query, readQueries } from "./observability-files.ts";

/**
 * Prometheus' own judgement of its configuration, of every query, and of the rules by their tests.
 */
export async function checkPrometheus(): Promise<Outcome> {
  const version = await execute("promtool", ["--version"]);
  if (version.code !== 0) return { kind: "skipped", reason: "promtool is not installed" };
  const files = await readTexts(
    (await listFiles()).filter((path) => path.startsWith("infra/") || path === METRICS_PAGE),
  );
  const folder = await mkdtemp(join(tmpdir(), "tercet-queries-"));
  try {
    const queries = join(folder, "queries.yml");
    await writeFile(queries, asRules(readQueries(files)));
    const tests = filesIn(files, "infra/prometheus/tests").map(([path]) => path);
    for (const run of [
      ["check", "config", "infra/prometheus/prometheus.yml"],
      ["check", "rules", queries],
      ["test", "rules", ...tests],
    ]) {
      const { code, output } = await execute("promtool", run);
      if (code !== 0) return { kind: "failed", output };
    }
    return passed;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** promtool reads no queries but those of rules. */
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

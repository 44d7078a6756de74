import { failedWith, type Outcome, staleFiles, temporaryFolder } from "@tercet/cli/repository";
import { parse, parseDocument } from "yaml";
import { DASHBOARDS, writeDashboards } from "../grafana/dashboards.ts";
import {
  type Files,
  filesIn,
  METRICS_PAGE,
  readAnchors,
  readListedMetrics,
  readObservabilityFiles,
  readQueries,
  readRules,
  readRuleTests,
} from "./observability-files.ts";
import { metricsIn } from "./promql.ts";

const DATA_SOURCES = "infra/grafana/provisioning/datasources";

export async function checkObservability(): Promise<Outcome> {
  await using fresh = await temporaryFolder("dashboards");
  await writeDashboards(fresh.path);
  const stale = await staleFiles(DASHBOARDS, fresh.path);
  return failedWith([...stale, ...observabilityProblems(await readObservabilityFiles())]);
}

/**
 * Returns files that do not parse, metrics that are not listed or not used, data sources that are
 * not provisioned, and alerts without instructions or a test.
 */
export function observabilityProblems(files: Files): string[] {
  const unreadable = [...files].flatMap(([path, text]) =>
    syntaxProblems(path, text).map((problem) => `${path}: ${problem}`),
  );
  return unreadable.length > 0
    ? unreadable
    : [...nameProblems(files), ...unknownDataSources(files), ...alertProblems(files)];
}

function syntaxProblems(path: string, text: string): string[] {
  if (/\.ya?ml$/.test(path)) return parseDocument(text).errors.map(({ message }) => message);
  if (!path.endsWith(".json")) return [];
  try {
    JSON.parse(text);
    return [];
  } catch (error) {
    return [String(error)];
  }
}

/** Every metric in use is listed, and one of each listed row is in use. */
function nameProblems(files: Files): string[] {
  const rules = readRules(files);
  const rows = readListedMetrics(files);
  const listed = new Set(rows.flat());
  const histogramOf = (name: string) =>
    listed.has(name) ? name : name.replace(/_(bucket|count|sum)$/, "");
  const queries = [
    ...readQueries(files),
    ...rules.map(({ path, expr: query }) => ({ path, query })),
  ];
  const read = queries.flatMap(({ path, query }) =>
    metricsIn(query).map((name) => ({ path, name: histogramOf(name) })),
  );
  const recorded = rules.flatMap(({ path, record: name }) =>
    name === undefined ? [] : [{ path, name }],
  );
  const unlisted = [...read, ...recorded].filter(({ name }) => !listed.has(name));
  const used = new Set(read.map(({ name }) => name));
  const unused = rows.filter((names) => !names.some((name) => used.has(name)));
  return [
    ...new Set(unlisted.map(({ path, name }) => `${path}: ${name} is not in ${METRICS_PAGE}`)),
    ...unused.map((names) => `${METRICS_PAGE}: nothing uses ${names.join(", ")}`),
  ];
}

/** Dashboards and links of data sources name data sources. */
function unknownDataSources(files: Files): string[] {
  const sources = filesIn(files, DATA_SOURCES);
  const provisioned = sources.flatMap(([, text]) =>
    (parse(text) as { datasources: { uid: string }[] }).datasources.map(({ uid }) => uid),
  );
  const problems = [...filesIn(files, DASHBOARDS), ...sources].flatMap(([path, text]) => {
    const named = [
      ...text.matchAll(/"datasource": \{[^}]*"uid": "([^"]+)"|\bdatasourceUid: ([\w-]+)/g),
    ].map(([, uid, other]) => uid ?? other ?? "");
    return named
      .filter((uid) => !provisioned.includes(uid))
      .map((uid) => `${path}: data source ${uid} is not provisioned`);
  });
  return [...new Set(problems)];
}

/**
 * A link must lead somewhere from a notification too: it is absolute, from the base that an
 * installation configures or from the repository's address.
 */
const RUNBOOK_BASE =
  '{{ or $externalLabels.runbook_base_url "https://github.com/tercet/tercet/blob/main" }}/';

/** Every alert has a severity, instructions, a link to its paragraph, and fires in a test. */
function alertProblems(files: Files): string[] {
  const asked = readRuleTests(files).flatMap(({ promql_expr_test: ones = [] }) => ones);
  const fires = (alert: string) =>
    asked.some(
      ({ expr, exp_samples: found }) => expr.includes(`alertname="${alert}"`) && found.length > 0,
    );
  const anchors = readAnchors(files);
  return readRules(files).flatMap(({ path, alert, labels = {}, annotations = {} }) => {
    if (alert === undefined) return [];
    const link = annotations["runbook_url"] ?? "";
    const [page, anchor = ""] = link.replace(RUNBOOK_BASE, "").split("#");
    const problems = [
      ["page", "ticket"].includes(labels["severity"] ?? "") || "has no severity",
      annotations["summary"] !== undefined || "has no summary",
      annotations["description"] !== undefined || "has no description",
      link.startsWith(RUNBOOK_BASE) || `has no runbook_url that begins with ${RUNBOOK_BASE}`,
      (page === METRICS_PAGE && anchors.has(anchor)) ||
        "has no runbook_url that leads to its paragraph",
      fires(alert) || "fires in no test",
    ];
    return problems
      .filter((problem) => problem !== true)
      .map((problem) => `${path}: ${alert} ${problem}`);
  });
}

import { cp, glob, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import {
  failedWith,
  type Outcome,
  ROOT,
  staleFiles,
  temporaryFolder,
} from "@tercet/cli/repository";

const FILES = "charts/tercet/files";

/**
 * helm reads nothing outside a chart, so the umbrella chart holds copies of these files, each in
 * the folder given here.
 */
const sources: Readonly<Record<string, string>> = {
  "gateway/kong.{yml,env}": ".",
  "infra/otel/collector.yaml": ".",
  "infra/prometheus/rules/*.yml": "rules",
  "infra/grafana/dashboards/*.json": "dashboards",
};

export async function writeChartFiles(target = join(ROOT, FILES)): Promise<void> {
  await rm(target, { recursive: true, force: true });
  for (const [pattern, folder] of Object.entries(sources)) {
    for await (const source of glob(pattern, { cwd: ROOT }))
      await cp(join(ROOT, source), join(target, folder, basename(source)));
  }
}

export async function checkChartFiles(): Promise<Outcome> {
  await using folder = await temporaryFolder("chart-files");
  await writeChartFiles(folder.path);
  return failedWith(await staleFiles(FILES, folder.path));
}

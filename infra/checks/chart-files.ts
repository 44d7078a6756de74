import { cp, glob, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import {
  differences,
  failedWith,
  inTemporaryFolder,
  type Outcome,
  ROOT,
} from "@tercet/cli/repository";

const FILES = "charts/tercet/files";

/**
 * helm reads nothing outside of a chart, so the umbrella has copies of these, by the folder they
 * are in there.
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

export function checkChartFiles(): Promise<Outcome> {
  return inTemporaryFolder(async (folder) => {
    await writeChartFiles(folder);
    return failedWith(
      (await differences(join(ROOT, FILES), folder)).map(
        (problem) => `${FILES}/${problem}: run pnpm generate`,
      ),
    );
  });
}

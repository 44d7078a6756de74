/**
 * `pnpm generate`: writes everything that is generated and committed: gen/src from proto/, Kong's
 * configuration, Grafana's dashboards, what the charts copy and kustomize builds on, and the next
 * migration of each changed schema.
 */

import { spawnSync } from "node:child_process";
import { globSync } from "node:fs";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { ROOT } from "@tercet/cli/repository";
import { writeChartFiles } from "../infra/checks/chart-files.ts";
import { generateManifests } from "../infra/checks/k8s-manifests.ts";
import { writeDashboards } from "../infra/grafana/dashboards.ts";

const usage = `Usage: pnpm generate [--help]

Writes what is generated and committed: gen/src from proto/ (buf), gateway/kong.yml from the access
rules there, infra/grafana/dashboards from infra/grafana/dashboards.ts, charts/tercet/files (copies),
infra/k8s/base and infra/k8s/databases from charts/ (helm), and the next migration of each schema that
changed (drizzle-kit).
`;

if (parseArgs({ options: { help: { type: "boolean", short: "h" } } }).values.help) {
  process.stdout.write(usage);
  process.exit(0);
}

run("buf", ["generate"], ROOT);
// In a process of its own, as it loads what buf has just written.
run("node", ["--conditions=source", "gateway/src/main.ts"], ROOT);
await writeDashboards();
await writeChartFiles();
if (!(await generateManifests()))
  process.stderr.write(
    "WITHOUT helm: infra/k8s/base and infra/k8s/databases are left as they are\n",
  );
// drizzle-kit asks whether a column was renamed or replaced, so it gets the terminal.
for (const config of globSync("packages/*/drizzle.config.ts", { cwd: ROOT }))
  run("drizzle-kit", ["generate"], join(ROOT, dirname(config)));

function run(tool: string, args: string[], cwd: string): void {
  const { status, error } = spawnSync(join(cwd, "node_modules/.bin", tool), args, {
    cwd,
    stdio: "inherit",
  });
  if (status !== 0) throw error ?? new Error(`${tool} in ${cwd} ended with ${status}`);
}

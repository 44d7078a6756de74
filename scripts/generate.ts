/** `pnpm generate`: writes everything that is generated and committed. */

import { globSync } from "node:fs";
import { dirname, join } from "node:path";
import { isInstalled, ROOT, scriptArguments } from "@tercet/cli/repository";
import { execa } from "execa";
import { writeChartFiles } from "../infra/checks/chart-files.ts";
import { generateManifests } from "../infra/checks/k8s-manifests.ts";
import { writeDashboards } from "../infra/grafana/dashboards.ts";
import { DRIZZLE_KIT } from "./checks/generated.ts";
import { writePlaces } from "./checks/services.ts";

const usage = `Usage: pnpm generate [--help]

Writes everything that is generated and committed:

  lines of a service in charts, Compose, images, alerts  from packages/cli/src/services.ts
  gen/src                            from proto/ (buf)
  gateway/kong.yml                   from the access rules in proto/
  docs/sagas.md                      from the sagas of Order
  packages/console/public/openapi.json   from proto/ (protoc-gen-connect-openapi, of pnpm tools)
  infra/grafana/dashboards           from infra/grafana/dashboards.ts
  charts/tercet/files                copies of files outside charts/
  infra/k8s/base, infra/k8s/databases  from charts/ (helm)
  the next migration of each schema that changed (drizzle-kit)
`;

// Not runCommand, which loads @tercet/service, and with it gen/src, which this program must be able
// to repair.
scriptArguments(usage, {});

const run = (tool: string, args: readonly string[], cwd = ROOT) =>
  execa(tool, args, { cwd, preferLocal: true, stdio: "inherit" });

await writePlaces();
await run("buf", ["generate"]);
// In another process, as it loads what buf has just written.
await run("node", ["--conditions=source", "gateway/src/main.ts"]);
await run("node", ["--conditions=source", "scripts/saga-page.ts"]);
if (await isInstalled("protoc-gen-connect-openapi"))
  await run("node", [
    "--conditions=source",
    "--import=./scripts/tools-on-path.ts",
    "scripts/openapi.ts",
  ]);
else
  process.stderr.write(
    "WITHOUT protoc-gen-connect-openapi: packages/console/public/openapi.json is left as it is\n",
  );
await writeDashboards();
await writeChartFiles();
if (!(await generateManifests()))
  process.stderr.write(
    "WITHOUT helm: infra/k8s/base and infra/k8s/databases are left as they are\n",
  );
// drizzle-kit asks whether a column was renamed or replaced, so it gets the terminal.
for (const config of globSync("packages/*/drizzle.config.ts", { cwd: ROOT }))
  await run("node", [...DRIZZLE_KIT, "generate"], join(ROOT, dirname(config)));

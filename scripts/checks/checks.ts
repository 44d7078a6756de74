import { type Check, command } from "@tercet/cli/repository";
import { checkChartFiles } from "../../infra/checks/chart-files.ts";
import { checkCharts } from "../../infra/checks/charts.ts";
import { checkDockerfile } from "../../infra/checks/dockerfile.ts";
import { checkManifests } from "../../infra/checks/k8s-manifests.ts";
import { checkObservability } from "../../infra/checks/observability.ts";
import { checkOverlays } from "../../infra/checks/overlays.ts";
import { checkPrometheus } from "../../infra/checks/promtool.ts";
import { checkBreaking } from "./breaking.ts";
import { checkDocs } from "./docs.ts";
import { checkTexts } from "./forbidden-text.ts";
import { checkGeneratedContracts, checkMigrations } from "./generated.ts";
import { checkGoldenGrowth, checkGoldenVectors } from "./golden.ts";
import { checkImports } from "./import-rules.ts";
import { checkLanguage } from "./language.ts";
import { checkShellScripts } from "./shell.ts";
import { checkWorkflows } from "./workflows.ts";

/** All checks of `pnpm verify`. The slow ones are first, so that two at a time end soonest. */
export const checks: readonly Check[] = [
  { name: "build", what: "the packages compile", run: command("tsc", "-b") },
  {
    name: "types",
    what: "types of everything, tests and scripts too",
    run: command("tsc", "-p", "tsconfig.tests.json"),
  },
  {
    name: "perf-types",
    what: "types of the k6 scripts",
    run: command("tsc", "-p", "perf/k6/tsconfig.json"),
  },
  {
    name: "biome",
    what: "format, lint, and no multi-statement transactions",
    run: command("biome", "ci", "--colors=off", "--error-on-warnings", "--max-diagnostics=none"),
  },
  {
    name: "unused",
    what: "no unused files, exports or dependencies, no import cycles",
    run: command("knip", "--config", "scripts/checks/knip.jsonc", "--no-config-hints"),
  },
  { name: "migrations", what: "migrations match the schemas", run: checkMigrations },
  {
    name: "contracts",
    what: "gen/ is what buf generates from proto/",
    run: checkGeneratedContracts,
  },
  { name: "buf-breaking", what: "contracts are compatible with those on main", run: checkBreaking },
  { name: "buf-lint", what: "contracts follow buf's STANDARD rules", run: command("buf", "lint") },
  {
    name: "buf-format",
    what: "contracts are formatted",
    // Copies of published contracts are not reformatted.
    run: command(
      "buf",
      "format",
      "--diff",
      "--exit-code",
      "--exclude-path",
      "proto/buf",
      "--exclude-path",
      "proto/grpc",
    ),
  },
  {
    name: "access",
    what: "every method declares who may call it",
    run: command("node", "--conditions=source", "scripts/access.ts"),
  },
  {
    name: "policy",
    what: "access and validation match packages/proof/contracts/policy.yaml",
    run: command("node", "--conditions=source", "packages/proof/contracts/src/main.ts", "policy"),
  },
  {
    name: "golden",
    what: "every message is read and written as in its golden vectors",
    run: checkGoldenVectors,
  },
  {
    name: "golden-growth",
    what: "golden vectors are added, never changed",
    run: checkGoldenGrowth,
  },
  {
    name: "gateway",
    what: "Kong exposes exactly the methods for the outside; gateway/kong.yml is generated",
    run: command("node", "--conditions=source", "gateway/src/main.ts", "--check"),
  },
  { name: "imports", what: "imports point one way", run: checkImports },
  {
    name: "docs",
    what: "links, files, tests and commands named in documents exist",
    run: checkDocs,
  },
  {
    name: "observability",
    what: "metrics, dashboards, rules and docs/metrics.md agree; each alert has a test",
    run: checkObservability,
  },
  {
    name: "prometheus",
    what: "promtool: configuration, queries, rules and their tests",
    run: checkPrometheus,
  },
  {
    name: "charts",
    what: "helm lint; charts/ with every values file pass kubeconform",
    run: checkCharts,
  },
  {
    name: "chart-files",
    what: "charts/tercet/files are copies of their sources",
    run: checkChartFiles,
  },
  { name: "manifests", what: "infra/k8s is what helm renders from charts/", run: checkManifests },
  {
    name: "overlays",
    what: "kustomize builds every overlay, and they pass kubeconform",
    run: checkOverlays,
  },
  {
    name: "language",
    what: "comments and documents wrap at 100; no word that scripts/checks/language.ts lists",
    run: checkLanguage,
  },
  {
    name: "texts",
    what: "README's length; no registry host, no path of one machine",
    run: checkTexts,
  },
  { name: "dockerfile", what: "infra/docker/Dockerfile passes hadolint", run: checkDockerfile },
  {
    name: "workflows",
    what: "GitHub's workflows follow our rules and actionlint's; what they name exists",
    run: checkWorkflows,
  },
  { name: "shell", what: "shell scripts pass shellcheck", run: checkShellScripts },
];

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
import { checkShellScripts } from "./shell.ts";
import { checkWorkflows } from "./workflows.ts";

/**
 * Everything `pnpm verify` checks. The slow ones stand first, so that two at a time end soonest.
 */
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
  { name: "migrations", what: "migrations are those of the schemas", run: checkMigrations },
  {
    name: "contracts",
    what: "gen/ is what buf generates from proto/",
    run: checkGeneratedContracts,
  },
  { name: "buf-breaking", what: "contracts break nobody who uses main", run: checkBreaking },
  { name: "buf-lint", what: "contracts keep buf's STANDARD rules", run: command("buf", "lint") },
  {
    name: "buf-format",
    what: "contracts are formatted",
    // Copies of published contracts stay as they were published.
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
    what: "every method says who may call it",
    run: command("node", "--conditions=source", "scripts/access.ts"),
  },
  {
    name: "policy",
    what: "access and validation are those of packages/proof/contracts/policy.yaml",
    run: command("node", "--conditions=source", "packages/proof/contracts/src/main.ts", "policy"),
  },
  {
    name: "golden",
    what: "every message travels as its golden vectors say",
    run: checkGoldenVectors,
  },
  {
    name: "golden-growth",
    what: "golden vectors are added, never changed",
    run: checkGoldenGrowth,
  },
  {
    name: "gateway",
    what: "Kong routes what is for the outside, and nothing else; gateway/kong.yml is what pnpm generate makes",
    run: command("node", "--conditions=source", "gateway/src/main.ts", "--check"),
  },
  { name: "imports", what: "imports point one way", run: checkImports },
  {
    name: "docs",
    what: "links in the docs, and the tests that they name, are there",
    run: checkDocs,
  },
  {
    name: "observability",
    what: "metrics, dashboards, rules and docs/metrics.md name the same; each alert has a test",
    run: checkObservability,
  },
  {
    name: "prometheus",
    what: "promtool: configuration, queries, rules and their tests",
    run: checkPrometheus,
  },
  {
    name: "charts",
    what: "helm lint; what every values file makes of charts/ passes kubeconform",
    run: checkCharts,
  },
  {
    name: "chart-files",
    what: "charts/tercet/files are copies of what they say",
    run: checkChartFiles,
  },
  { name: "manifests", what: "infra/k8s is what helm renders from charts/", run: checkManifests },
  {
    name: "overlays",
    what: "kustomize builds every overlay, and they pass kubeconform",
    run: checkOverlays,
  },
  { name: "texts", what: "README's length; no registry host, no machine's path", run: checkTexts },
  { name: "dockerfile", what: "infra/docker/Dockerfile passes hadolint", run: checkDockerfile },
  {
    name: "workflows",
    what: "GitHub's workflows keep our rules and actionlint's; what they name is there",
    run: checkWorkflows,
  },
  { name: "shell", what: "shell scripts pass shellcheck", run: checkShellScripts },
];

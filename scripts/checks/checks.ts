import { type Check, outcomeOf } from "@tercet/cli/repository";
import { checkChartFiles } from "../../infra/checks/chart-files.ts";
import { checkCharts } from "../../infra/checks/charts.ts";
import { checkManifests } from "../../infra/checks/k8s-manifests.ts";
import { checkObservability } from "../../infra/checks/observability.ts";
import { checkOverlays } from "../../infra/checks/overlays.ts";
import { checkPrometheus } from "../../infra/checks/promtool.ts";
import { checkBreaking } from "./breaking.ts";
import { checkConsoleSize } from "./console-size.ts";
import { checkDocs } from "./docs.ts";
import { checkTexts } from "./forbidden-text.ts";
import { checkGeneratedContracts, checkMigrations } from "./generated.ts";
import { checkGoldenGrowth } from "./golden.ts";
import { checkImports } from "./import-rules.ts";
import { checkLanguage } from "./language.ts";
import { checkSecrets } from "./secrets.ts";
import { checkServices } from "./services.ts";
import { checkShellScripts } from "./shell.ts";
import { checkAdvisories, checkLicences, checkLockfile, checkSignatures } from "./supply-chain.ts";
import { checkWorkflows } from "./workflows.ts";

/** A command line has no quotes: it is split at its spaces. */
function check(
  name: string,
  what: string,
  run: Check["run"] | string,
  ...needs: readonly string[]
): Check {
  if (typeof run !== "string") return { name, what, needs, run };
  const [tool = "", ...args] = run.split(" ");
  return { name, what, needs, run: () => outcomeOf(tool, ...args) };
}

const BIOME = "biome ci --colors=off --error-on-warnings --max-diagnostics=none";
const KNIP = "knip --config scripts/checks/knip.jsonc --no-config-hints";
/** Copies of published contracts are not reformatted. */
const BUF_FORMAT =
  "buf format --diff --exit-code --exclude-path proto/buf --exclude-path proto/grpc";
const HADOLINT =
  "hadolint --failure-threshold style infra/docker/Dockerfile infra/docker/console.Dockerfile";
const FROM_SOURCE = "node --conditions=source";
const CONTRACTS = `${FROM_SOURCE} packages/proof/contracts/src/main.ts`;
const KONG = `${FROM_SOURCE} gateway/src/main.ts --check`;

/**
 * The checks of `pnpm verify`, by the task of turbo.json that runs them, which says what files they
 * read. The slow ones of a task are first, so that two at a time end soonest.
 */
export const tasks: Readonly<Record<string, readonly Check[]>> = {
  code: [
    // Errors of other packages mostly follow from those of the first.
    check("build", "the packages compile", "tsc -b --stopBuildOnErrors"),
    check("types", "types of everything, tests and scripts too", "tsc -p tsconfig.tests.json"),
    check("unused", "no unused files, exports or dependencies, no import cycles", KNIP),
    check("biome", "format, lint, and no multi-statement transactions", BIOME),
    check("migrations", "migrations match the schemas", checkMigrations),
    check("perf-types", "types of the k6 scripts", "tsc -p perf/k6/tsconfig.json"),
    check("web-types", "types of examples/web", "tsc -p examples/web"),
    check("console-types", "types of packages/console", "tsc -p packages/console"),
    check(
      "console-size",
      "the console's JavaScript is within its budget, compressed",
      checkConsoleSize,
    ),
    check("imports", "imports point one way", checkImports),
  ],
  contracts: [
    check("contracts", "gen/ is what buf generates from proto/", checkGeneratedContracts),
    check(
      "openapi",
      "packages/console/public/openapi.json is generated from proto/",
      `${FROM_SOURCE} scripts/openapi.ts --check`,
      "protoc-gen-connect-openapi",
    ),
    check("buf-breaking", "contracts are compatible with those on main", checkBreaking),
    check("buf-lint", "contracts follow buf's STANDARD rules", "buf lint"),
    check("buf-format", "contracts are formatted", BUF_FORMAT),
    check("access", "every method declares who may call it", `${FROM_SOURCE} scripts/access.ts`),
    check(
      "policy",
      "access and validation match packages/proof/contracts/policy.yaml",
      `${CONTRACTS} policy`,
    ),
    check(
      "golden",
      "every message is read and written as in its golden vectors",
      `${CONTRACTS} golden`,
    ),
    check("golden-growth", "golden vectors are added, never changed", checkGoldenGrowth),
    check(
      "gateway",
      "Kong exposes exactly the methods for the outside; gateway/kong.yml is generated",
      KONG,
    ),
    check(
      "sagas",
      "docs/sagas.md is generated from the sagas of Order",
      `${FROM_SOURCE} scripts/saga-page.ts --check`,
    ),
  ],
  delivery: [
    check(
      "charts",
      "helm lint; charts/ with every values file pass kubeconform",
      checkCharts,
      "helm",
      "kubeconform",
    ),
    check(
      "overlays",
      "kustomize builds every overlay, and they pass kubeconform",
      checkOverlays,
      "kustomize",
      "kubeconform",
    ),
    check("manifests", "infra/k8s is what helm renders from charts/", checkManifests, "helm"),
    check("chart-files", "charts/tercet/files are copies of their sources", checkChartFiles),
    check(
      "observability",
      "metrics, dashboards, rules and docs/metrics.md agree; each alert has a test",
      checkObservability,
    ),
    check(
      "prometheus",
      "promtool: configuration, queries, rules and their tests",
      checkPrometheus,
      "promtool",
    ),
    check(
      "alertmanager",
      "amtool: the configurations in infra/alertmanager",
      "amtool check-config infra/alertmanager/alertmanager.yml infra/alertmanager/example.yml",
      "amtool",
    ),
    check(
      "services",
      "charts, Compose, images and alerts name every service of packages/cli/src/services.ts",
      checkServices,
    ),
    check("dockerfile", "the Dockerfiles pass hadolint", HADOLINT, "hadolint"),
    check(
      "workflows",
      "GitHub's workflows follow our rules; what they name exists",
      checkWorkflows,
    ),
    check(
      "actionlint",
      "GitHub's workflows pass actionlint",
      "actionlint -no-color",
      "actionlint",
      "shellcheck",
    ),
    check("shell", "shell scripts pass shellcheck", checkShellScripts, "shellcheck"),
  ],
  texts: [
    check("docs", "links, files, tests and commands named in documents exist", checkDocs),
    check(
      "language",
      "comments and documents wrap at 100; no word that scripts/checks/language.ts lists",
      checkLanguage,
    ),
    check("texts", "README's length; no registry host, no path of one machine", checkTexts),
    check("secrets", "no key and no token is in the tree", checkSecrets),
    check("licences", "the licence of every package is allowed", checkLicences),
  ],
  registry: [
    check(
      "lockfile",
      "versions are old enough and of trusted origin; needs network",
      checkLockfile,
    ),
    check("advisories", "no package has a known vulnerability; needs network", checkAdvisories),
    check("signatures", "packages have their registry's signature; needs network", checkSignatures),
  ],
};

export const checks: readonly Check[] = Object.values(tasks).flat();

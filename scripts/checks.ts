import { checkBreaking } from "./breaking.ts";
import { command } from "./command.ts";
import { checkDocs } from "./docs.ts";
import { checkTexts } from "./forbidden-text.ts";
import { checkGeneratedContracts, checkMigrations } from "./generated.ts";
import { checkImports } from "./import-rules.ts";
import { checkObservability } from "./observability.ts";
import type { Check } from "./outcome.ts";
import { checkPrometheus } from "./promtool.ts";
import { checkShellScripts } from "./shell.ts";
import { checkWorkflows } from "./workflows.ts";

/** Everything `pnpm verify` checks. The slow ones stand first, so that two at a time end soonest. */
export const checks: readonly Check[] = [
  { name: "build", what: "the packages compile", run: command("tsc", "-b") },
  { name: "types", what: "types of everything, tests and scripts too", run: command("tsc", "-p", "tsconfig.tests.json") },
  {
    name: "biome",
    what: "format, lint, and no multi-statement transactions",
    run: command("biome", "ci", "--colors=off", "--error-on-warnings", "--max-diagnostics=none"),
  },
  {
    name: "unused",
    what: "no unused files, exports or dependencies, no import cycles",
    run: command("knip", "--config", "scripts/knip.jsonc", "--no-config-hints"),
  },
  { name: "migrations", what: "migrations are those of the schemas", run: checkMigrations },
  { name: "contracts", what: "gen/ is what buf generates from proto/", run: checkGeneratedContracts },
  { name: "buf-breaking", what: "contracts break nobody who uses main", run: checkBreaking },
  { name: "buf-lint", what: "contracts keep buf's STANDARD rules", run: command("buf", "lint") },
  {
    name: "buf-format",
    what: "contracts are formatted",
    // Copies of published contracts stay as they were published.
    run: command("buf", "format", "--diff", "--exit-code", "--exclude-path", "proto/buf", "--exclude-path", "proto/grpc"),
  },
  { name: "access", what: "every method says who may call it", run: command("node", "--conditions=source", "scripts/access.ts") },
  { name: "imports", what: "imports point one way", run: checkImports },
  { name: "docs", what: "links in the docs, and the tests that they name, are there", run: checkDocs },
  {
    name: "observability",
    what: "metrics, dashboards, rules and docs/metrics.md name the same; each alert has a test",
    run: checkObservability,
  },
  { name: "prometheus", what: "promtool: configuration, queries, rules and their tests", run: checkPrometheus },
  { name: "texts", what: "README's length; no registry host, no machine's path", run: checkTexts },
  { name: "workflows", what: "GitHub's workflows keep our rules and actionlint's; what they name is there", run: checkWorkflows },
  { name: "shell", what: "shell scripts pass shellcheck", run: checkShellScripts },
];

/**
 * Writes Kong's configuration from the contracts; with `--check` fails if the committed one is
 * stale or wrong. Runs with `--conditions=source`, so that nothing has to be built.
 */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ROOT, runCommand } from "@tercet/cli";
import { kongYaml } from "./kong.ts";
import { parseKongConfig } from "./kong-config.ts";
import { kongEnvProblems, parseEnvFile } from "./kong-env.ts";
import { ourServices } from "./our-services.ts";
import { gatewayProblems } from "./problems.ts";

const help = `Usage: node --conditions=source gateway/src/main.ts [--check] [--help]

Writes gateway/kong.yml from the access rules in proto/, as pnpm generate does.

Options:
  --check  write nothing; fail if the file is stale, if it does not expose exactly the methods that
           are for the outside, if a route leads nowhere, or if gateway/kong.env contradicts it`;

const file = join(ROOT, "gateway/kong.yml");

await runCommand({
  help,
  options: { check: { type: "boolean" } },
  run: async ({ terminal, values }) => {
    const problems = values["check"] ? await check() : [];
    if (!values["check"]) await writeFile(file, kongYaml(await ourServices()));
    for (const problem of problems) terminal.line(problem);
    return problems.length === 0 ? 0 : 1;
  },
});

async function check(): Promise<string[]> {
  const services = await ourServices();
  const text = await readFile(file, "utf8");
  const config = parseKongConfig(text);
  const env = parseEnvFile(await readFile(join(ROOT, "gateway/kong.env"), "utf8"));
  return [
    ...(text === kongYaml(services) ? [] : ["gateway/kong.yml is stale: run pnpm generate"]),
    ...gatewayProblems(config, services).map((problem) => `gateway/kong.yml: ${problem}`),
    ...kongEnvProblems(env, config).map((problem) => `gateway/kong.env: ${problem}`),
  ];
}

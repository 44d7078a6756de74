/**
 * Writes Kong's configuration from the contracts; with `--check` it fails when the committed one is
 * another, or is wrong. Needs `--conditions=source`, so that nothing has to be built.
 */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { ROOT } from "@tercet/cli";
import { kongYaml } from "./kong.ts";
import { parseKongConfig } from "./kong-config.ts";
import { kongEnvProblems, parseEnvFile } from "./kong-env.ts";
import { ourServices } from "./our-services.ts";
import { gatewayProblems } from "./problems.ts";

const usage = `Usage: node --conditions=source gateway/src/main.ts [--check] [--help]

Writes gateway/kong.yml from the access rules in proto/, as pnpm generate does. With --check it writes nothing and fails when the file is stale, when
a method that is for the outside cannot be reached by it or one that is not can, when a route points at nothing, or when gateway/kong.env does not fit.
`;

const { values } = parseArgs({
  options: { check: { type: "boolean" }, help: { type: "boolean", short: "h" } },
});
const file = join(ROOT, "gateway/kong.yml");

if (values.help) process.stdout.write(usage);
else if (values.check) {
  const problems = await check();
  for (const problem of problems) process.stdout.write(`${problem}\n`);
  process.exitCode = problems.length === 0 ? 0 : 1;
} else await writeFile(file, kongYaml(await ourServices()));

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

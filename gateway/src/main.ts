/**
 * Writes Kong's configuration from the contracts; with `--check` fails if the committed one is
 * stale or wrong. Runs with `--conditions=source`, so that nothing has to be built.
 */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ROOT, runCommand } from "@tercet/cli";
import { addressProblems, composeAliases } from "./addresses.ts";
import { kongYaml } from "./kong.ts";
import { type KongConfig, parseKongConfig } from "./kong-config.ts";
import { kongEnvProblems, parseEnvFile } from "./kong-env.ts";
import { ourServices } from "./our-services.ts";
import { gatewayProblems } from "./problems.ts";

const help = `Usage: node --conditions=source gateway/src/main.ts [--check] [--help]

Writes gateway/kong.yml from the access rules in proto/, as pnpm generate does.

Options:
  --check  write nothing; fail if the file is stale, if it does not expose exactly the methods that
           are for the outside, if a route leads nowhere, if HTTP and gRPC share an address, or if
           gateway/kong.env contradicts it`;

const file = join(ROOT, "gateway/kong.yml");

await runCommand({
  help,
  options: { check: { type: "boolean" } },
  run: async ({ terminal, values }) => {
    const problems = await (values["check"] ? check() : generate());
    for (const problem of problems) terminal.line(problem);
    return problems.length === 0 ? 0 : 1;
  },
});

async function generate(): Promise<string[]> {
  const text = kongYaml(await ourServices());
  const problems = await sharedAddresses(parseKongConfig(text));
  if (problems.length === 0) await writeFile(file, text);
  return problems;
}

async function check(): Promise<string[]> {
  const services = await ourServices();
  const text = await readFile(file, "utf8");
  const config = parseKongConfig(text);
  const env = await readEnvFile();
  return [
    ...(await sharedAddresses(config)).map((problem) => `gateway/kong.yml: ${problem}`),
    ...(text === kongYaml(services) ? [] : ["gateway/kong.yml is stale: run pnpm generate"]),
    ...gatewayProblems(config, services).map((problem) => `gateway/kong.yml: ${problem}`),
    ...kongEnvProblems(env, config).map((problem) => `gateway/kong.env: ${problem}`),
  ];
}

async function readEnvFile(): Promise<Map<string, string>> {
  return parseEnvFile(await readFile(join(ROOT, "gateway/kong.env"), "utf8"));
}

async function sharedAddresses(config: KongConfig): Promise<string[]> {
  const compose = await readFile(join(ROOT, "infra/compose.yaml"), "utf8");
  return addressProblems(config, await readEnvFile(), composeAliases(compose));
}

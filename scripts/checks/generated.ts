import { globSync } from "node:fs";
import { cp, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { pathToFileURL } from "node:url";
import {
  execute,
  failedWith,
  type Outcome,
  ROOT,
  staleFiles,
  temporaryFolder,
} from "@tercet/cli/repository";

/**
 * Arguments of node for drizzle-kit, in the folder of a package: the schemas that it loads are
 * those of the sources, so that nothing has to be built.
 */
export const DRIZZLE_KIT = ["--conditions=source", "node_modules/drizzle-kit/bin.cjs"] as const;

/** Generates the contracts' code into a temporary folder and compares it with what is committed. */
export async function checkGeneratedContracts(): Promise<Outcome> {
  await using folder = await temporaryFolder("contracts");
  const { code, output } = await execute("buf", ["generate", "--output", folder.path]);
  if (code !== 0) return { kind: "failed", output };
  return failedWith(await staleFiles("gen/src", join(folder.path, "gen/src")));
}

/**
 * Generates the next migration of each schema into a copy of its migrations: there must be none.
 */
export async function checkMigrations(): Promise<Outcome> {
  const configs = globSync("packages/*/drizzle.config.ts", { cwd: ROOT }).sort();
  if (configs.length === 0) return { kind: "failed", output: "no packages/*/drizzle.config.ts" };
  const problems: string[] = [];
  for (const config of configs) problems.push(...(await staleMigrations(config)));
  return failedWith(problems);
}

async function staleMigrations(config: string): Promise<string[]> {
  await using folder = await temporaryFolder("migrations");
  const name = dirname(config);
  const cwd = join(ROOT, name);
  const consistent = await execute("node", [...DRIZZLE_KIT, "check"], cwd);
  if (consistent.code !== 0) return [`${name}: drizzle-kit check\n${consistent.output}`];
  const migrations = await migrationsFolder(config);
  const copy = join(folder.path, "migrations");
  await cp(migrations, copy, { recursive: true });
  const copied = join(folder.path, "drizzle.config.ts");
  await writeFile(copied, redirected(config, relative(cwd, copy)));
  const generate = [...DRIZZLE_KIT, "generate", "--config", copied];
  const { code, output } = await execute("node", generate, cwd);
  if (code !== 0) return [`${name}: drizzle-kit generate\n${output}`];
  const problems = await staleFiles(relative(ROOT, migrations), copy);
  // It also exits with 0 when the schema cannot be loaded, or when it waits for a reply.
  if (problems.length === 0 && !output.includes("No schema changes"))
    return [`${name}: drizzle-kit generate did not finish\n${output}`];
  return problems;
}

/** drizzle-kit puts `./` before `out`, so that it must be relative. */
function redirected(config: string, out: string): string {
  const original = JSON.stringify(pathToFileURL(join(ROOT, config)).pathname);
  return `import config from ${original};\nexport default { ...config, out: ${JSON.stringify(out)} };\n`;
}

async function migrationsFolder(config: string): Promise<string> {
  const { default: settings } = (await import(pathToFileURL(join(ROOT, config)).href)) as {
    default: { out?: string };
  };
  return join(ROOT, dirname(config), settings.out ?? "drizzle");
}

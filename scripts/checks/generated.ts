import { globSync } from "node:fs";
import { cp, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { pathToFileURL } from "node:url";
import {
  differences,
  execute,
  failedWith,
  inTemporaryFolder,
  type Outcome,
  ROOT,
} from "@tercet/cli/repository";

/** Generates the contracts' code into a temporary folder: it must be what is committed. */
export function checkGeneratedContracts(): Promise<Outcome> {
  return inTemporaryFolder(async (folder) => {
    const { code, output } = await execute("buf", ["generate", "--output", folder]);
    if (code !== 0) return { kind: "failed", output };
    const problems = await differences(join(ROOT, "gen/src"), join(folder, "gen/src"));
    return failedWith(problems.map((problem) => `gen/src/${problem}: run pnpm generate`));
  });
}

/**
 * Asks drizzle-kit for the next migration of each schema, in a copy of its migrations: there must
 * be none.
 */
export async function checkMigrations(): Promise<Outcome> {
  const configs = globSync("packages/*/drizzle.config.ts", { cwd: ROOT }).sort();
  if (configs.length === 0) return { kind: "failed", output: "no packages/*/drizzle.config.ts" };
  const problems: string[] = [];
  for (const config of configs) problems.push(...(await staleMigrations(config)));
  return failedWith(problems);
}

function staleMigrations(config: string): Promise<string[]> {
  return inTemporaryFolder(async (folder) => {
    const cwd = join(ROOT, dirname(config));
    const name = dirname(config);
    const consistent = await execute("drizzle-kit", ["check"], cwd);
    if (consistent.code !== 0) return [`${name}: drizzle-kit check\n${consistent.output}`];
    const migrations = await migrationsFolder(config);
    const copy = join(folder, "migrations");
    await cp(migrations, copy, { recursive: true });
    await writeFile(join(folder, "drizzle.config.ts"), redirected(config, relative(cwd, copy)));
    const { code, output } = await execute(
      "drizzle-kit",
      ["generate", "--config", join(folder, "drizzle.config.ts")],
      cwd,
    );
    if (code !== 0) return [`${name}: drizzle-kit generate\n${output}`];
    const problems = await differences(migrations, copy);
    // It also exits with 0 when the schema cannot be loaded, or when it has a question and nobody
    // is there to answer.
    if (problems.length === 0 && !output.includes("No schema changes"))
      return [`${name}: drizzle-kit generate did not finish\n${output}`];
    return problems.map(
      (problem) => `${name}/${relative(cwd, migrations)}/${problem}: run pnpm generate`,
    );
  });
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

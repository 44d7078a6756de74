import { globSync } from "node:fs";
import { cp, glob, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { pathToFileURL } from "node:url";
import { execute } from "./command.ts";
import { failedWith, type Outcome } from "./outcome.ts";
import { root } from "./root.ts";

/** Generates the contracts' code into a temporary folder: it must be what is committed. */
export function checkGeneratedContracts(): Promise<Outcome> {
  return inTemporaryFolder(async (folder) => {
    const { code, output } = await execute("buf", ["generate", "--output", folder]);
    if (code !== 0) return { kind: "failed", output };
    const problems = await differences(join(root, "gen/src"), join(folder, "gen/src"));
    return failedWith(problems.map((problem) => `gen/src/${problem}: run pnpm generate`));
  });
}

/** Asks drizzle-kit for the next migration of each schema, in a copy of its migrations: there must be none. */
export async function checkMigrations(): Promise<Outcome> {
  const configs = globSync("packages/*/drizzle.config.ts", { cwd: root }).sort();
  if (configs.length === 0) return { kind: "failed", output: "no packages/*/drizzle.config.ts" };
  const problems: string[] = [];
  for (const config of configs) problems.push(...(await staleMigrations(config)));
  return failedWith(problems);
}

function staleMigrations(config: string): Promise<string[]> {
  return inTemporaryFolder(async (folder) => {
    const cwd = join(root, dirname(config));
    const name = dirname(config);
    const consistent = await execute("drizzle-kit", ["check"], cwd);
    if (consistent.code !== 0) return [`${name}: drizzle-kit check\n${consistent.output}`];
    const migrations = await migrationsFolder(config);
    const copy = join(folder, "migrations");
    await cp(migrations, copy, { recursive: true });
    await writeFile(join(folder, "drizzle.config.ts"), redirected(config, relative(cwd, copy)));
    const { code, output } = await execute("drizzle-kit", ["generate", "--config", join(folder, "drizzle.config.ts")], cwd);
    if (code !== 0) return [`${name}: drizzle-kit generate\n${output}`];
    const problems = await differences(migrations, copy);
    // It also exits with 0 when the schema cannot be loaded, or when it has a question and nobody is there to answer.
    if (problems.length === 0 && !output.includes("No schema changes")) return [`${name}: drizzle-kit generate did not finish\n${output}`];
    return problems.map((problem) => `${name}/${relative(cwd, migrations)}/${problem}: run pnpm generate`);
  });
}

/** drizzle-kit puts `./` before `out`, so that it must be relative. */
function redirected(config: string, out: string): string {
  const original = JSON.stringify(pathToFileURL(join(root, config)).pathname);
  return `import config from ${original};\nexport default { ...config, out: ${JSON.stringify(out)} };\n`;
}

async function migrationsFolder(config: string): Promise<string> {
  const { default: settings } = (await import(pathToFileURL(join(root, config)).href)) as { default: { out?: string } };
  return join(root, dirname(config), settings.out ?? "drizzle");
}

/** How the fresh files differ from the committed ones, by path. */
export async function differences(committed: string, fresh: string): Promise<string[]> {
  const [before, after] = await Promise.all([contents(committed), contents(fresh)]);
  const problems: string[] = [];
  for (const path of [...new Set([...before.keys(), ...after.keys()])].sort()) {
    if (!before.has(path)) problems.push(`${path} is missing`);
    else if (!after.has(path)) problems.push(`${path} is no longer generated`);
    else if (before.get(path) !== after.get(path)) problems.push(`${path} is stale`);
  }
  return problems;
}

async function contents(folder: string): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  for await (const entry of glob("**/*", { cwd: folder, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isFile()) files.set(relative(folder, path), await readFile(path, "utf8"));
  }
  return files;
}

export async function inTemporaryFolder<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), "tercet-generated-"));
  try {
    return await use(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

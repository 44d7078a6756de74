import { posix } from "node:path";
import {
  failedWith,
  listFiles,
  type Outcome,
  readTexts,
  recordOf,
  serviceNames,
} from "@tercet/cli/repository";
import { type Program, parseSync, Visitor } from "oxc-parser";

/**
 * Which of our packages a package may import: one way only. A new package needs a line here.
 *
 * By hand, and not dependency-cruiser: it reads TypeScript through the compiler's JavaScript API,
 * which TypeScript 7 does not have, and its swc parser refuses `using`. Biome's
 * noRestrictedImports does not know into which package a relative path leads.
 */
const mayImport: Record<string, readonly string[]> = {
  // The product. A service knows no other service but by its contract in gen/.
  service: ["gen", "wire"],
  wire: [],
  group: [],
  saga: ["group"],
  ...recordOf(serviceNames, () => ["gen", "service", "saga", "group"]),
  // What runs it on one machine.
  cli: ["service"],
  // What operates it, wherever it runs: by its API alone.
  admin: ["cli", "gen", "service"],
  gateway: ["cli", "gen", "service"],
  // In the browser: it knows the contracts alone.
  console: ["gen"],
  // What serves its files.
  "console-server": [],
  stack: ["cli", "console-server", "gateway", "gen", "service", "saga", ...serviceNames],
  // What proves it. The audit knows nothing of what loads the system, so that its verdict is
  // independent; nothing here depends on perf.
  audit: ["cli", "gen", "service", "saga", "stack", ...serviceNames],
  chaos: ["cli", "gen", "service", "saga", "audit", "stack", ...serviceNames],
  cluster: ["audit", "cli", "gen", "service", "stack"],
  lab: ["cli", "gen", "service", "saga", "audit", "stack", ...serviceNames],
  conformance: ["cli", "gen", "service", "stack", "wire"],
  contracts: ["cli", "gateway", "gen", "service", "stack", ...serviceNames],
  e2e: [
    "cli",
    "gateway",
    "gen",
    "service",
    "saga",
    "audit",
    "chaos",
    "cluster",
    "lab",
    "stack",
    "admin",
    "console-server",
    ...serviceNames,
  ],
  perf: ["cli", "gen", "service", "group", "saga", "stack", ...serviceNames],
  // What a stranger would write.
  examples: ["gen"],
  // Programs of the repository, which run from source.
  infra: ["cli", "console-server", "gateway", "service", ...serviceNames],
  scripts: ["cli", "gateway", "service", "infra", ...serviceNames],
};

/** Tests may also take a database from here, whatever package they are in. */
const FOR_TESTS = "@tercet/service/testing";
const isTest = (path: string) => /\/test\/|\.(test|contract|testing)\.ts$/.test(path);

export async function checkImports(): Promise<Outcome> {
  const files = (await listFiles()).filter((path) =>
    // Templates are files of packages that do not exist yet.
    /^(examples|gateway|packages|perf|infra|scripts\/(?!templates))\/?.*\.(ts|tsx|mts|js|mjs)$/.test(
      path,
    ),
  );
  return failedWith(importProblems(await readTexts(files)));
}

/** Returns the imports that the table forbids. Files are given as path (from the root) and text. */
export function importProblems(files: ReadonlyMap<string, string>): string[] {
  return [...files].flatMap(([path, text]) =>
    specifiers(path, text).flatMap((specifier) => {
      const problem = specifier.startsWith(".")
        ? relativeProblem(path, specifier)
        : packageProblem(path, specifier);
      return problem === undefined ? [] : [`${path}: "${specifier}" ${problem}`];
    }),
  );
}

function relativeProblem(path: string, specifier: string): string | undefined {
  const target = posix.join(posix.dirname(path), specifier);
  const [from, to] = [packageOf(path), packageOf(target)];
  // The two are folders and not packages, so a path is the only way.
  if (from !== to && !(from === "scripts" && to === "infra"))
    return "reaches into another package: import it by name";
  return isMain(target) ? "imports main.ts, which is a process and not a module" : undefined;
}

function packageProblem(path: string, specifier: string): string | undefined {
  const [scope, name = "", ...rest] = specifier.split("/");
  if (scope !== "@tercet") return undefined;
  const importer = packageOf(path);
  const allowed = mayImport[importer];
  if (allowed === undefined)
    return `: ${importer} is not in the table of scripts/checks/import-rules.ts`;
  if (rest[0] === "src" || rest[0] === "dist")
    return "reaches into another package: import what it exports";
  if (isMain(rest.join("/"))) return "imports main.ts, which is a process and not a module";
  if (specifier === FOR_TESTS && isTest(path)) return undefined;
  return name === importer || allowed.includes(name)
    ? undefined
    : `is not for ${importer}, which may import ${allowed.join(", ") || "none of our packages"}`;
}

const packageOf = (path: string) => /^(?:packages\/)?(?:proof\/)?([^/]+)/.exec(path)?.[1] ?? "";
const isMain = (path: string) => /(^|\/)main(\.[a-z]+)?$/.test(path);

/**
 * Returns every module that a file names: static, dynamic and type imports, and re-exports. A
 * computed name is not seen.
 */
export function specifiers(path: string, text: string): string[] {
  const { module, program, errors } = parseSync(path, text);
  if (errors.length > 0) throw new Error(`${path}: ${errors[0]?.message}`);
  const found = [
    ...module.staticImports.map((one) => one.moduleRequest.value),
    ...module.staticExports.flatMap((one) =>
      one.entries.flatMap((entry) => entry.moduleRequest?.value ?? []),
    ),
    ...module.dynamicImports.map((one) =>
      text.slice(one.moduleRequest.start, one.moduleRequest.end).replace(/^["'`]|["'`]$/g, ""),
    ),
    ...typeImports(program),
  ];
  return [...new Set(found)];
}

/** `import("x").T` in a type is not in the parser's module record. */
function typeImports(program: Program): string[] {
  const found: string[] = [];
  new Visitor({ TSImportType: ({ source }) => void found.push(source.value) }).visit(program);
  return found;
}

import { posix } from "node:path";
import { failedWith, listFiles, type Outcome, readTexts } from "@tercet/cli/repository";
import { type Program, parseSync, Visitor } from "oxc-parser";

const business = ["identity", "order", "payment"];

/** Which of our packages a package may import: one way only. A new package needs a line here. */
const mayImport: Record<string, readonly string[]> = {
  service: ["gen"],
  saga: [],
  identity: ["gen", "service", "saga"],
  order: ["gen", "service", "saga"],
  payment: ["gen", "service", "saga"],
  console: ["gen"],
  gateway: ["cli", "gen", "service"],
  cli: ["service"],
  stack: ["cli", "gateway", "gen", "service", "saga", "console", ...business],
  audit: ["cli", "gen", "service", "stack", ...business],
  chaos: ["cli", "gen", "service", "audit", "stack", ...business],
  perf: ["cli", "gen", "service", "saga", "stack", ...business],
  conformance: ["cli", "gen", "service", "stack"],
  contracts: ["cli", "gateway", "gen", "service", "stack", ...business],
  e2e: [
    "cli",
    "gateway",
    "gen",
    "service",
    "saga",
    "console",
    "audit",
    "chaos",
    "stack",
    ...business,
  ],
};

/** Tests may also take a database from here, whatever package they are in. */
const forTests = "@tercet/service/testing";
const isTest = (path: string) => /\/test\/|\.(test|contract|testing)\.ts$/.test(path);

export async function checkImports(): Promise<Outcome> {
  const files = (await listFiles()).filter((path) =>
    /^(gateway|packages|perf)\/.*\.(ts|tsx|mts|js|mjs)$/.test(path),
  );
  return failedWith(importProblems(await readTexts(files)));
}

/** The imports that design and layering forbid, in files given as path (from the root) and text. */
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
  if (packageOf(target) !== packageOf(path))
    return "reaches into another package: import it by name";
  return isMain(target) ? "imports main.ts, which is a process and not a module" : undefined;
}

function packageProblem(path: string, specifier: string): string | undefined {
  const [scope, name = "", ...rest] = specifier.split("/");
  if (scope !== "@tercet") return undefined;
  const importer = packageOf(path);
  const allowed = mayImport[importer];
  if (allowed === undefined)
    return `: packages/${importer} is not in the list of scripts/checks/import-rules.ts`;
  if (rest[0] === "src" || rest[0] === "dist")
    return "reaches into another package: import what it exports";
  if (isMain(rest.join("/"))) return "imports main.ts, which is a process and not a module";
  if (specifier === forTests && isTest(path)) return undefined;
  return name === importer || allowed.includes(name)
    ? undefined
    : `is not for ${importer}, which may import ${allowed.join(", ") || "none of our packages"}`;
}

const packageOf = (path: string) => /^(?:packages\/)?(?:proof\/)?([^/]+)/.exec(path)?.[1] ?? "";
const isMain = (path: string) => /(^|\/)main(\.[a-z]+)?$/.test(path);

/**
 * Every module a file names: static, dynamic and type imports, and re-exports. A computed name is
 * not seen.
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

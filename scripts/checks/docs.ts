import { matchesGlob, posix } from "node:path";
import { failedWith, listFiles, type Outcome, readTexts } from "@tercet/cli/repository";
import { renamed, spellingOf } from "../new/spelling.ts";
import { stepProblems } from "./steps.ts";

/** `packages/x/test/y.test.ts` › "one title"; "another" */
const NAMED_TESTS = /`([\w./-]+\.test\.ts)` › ("[^"]+"(?:; "[^"]+")*)/g;
/** order.v1.SagaService/RetrySaga */
const NAMED_RPCS = /\b([a-z]+\.v\d+)\.(\w+)\/(\w+)/g;
/** `pnpm chaos` */
const NAMED_SCRIPTS = /`pnpm ([a-z][\w:-]*)/g;
/** Commands of pnpm itself. */
const PNPM_ITSELF = ["install", "deploy", "exec", "store", "pack", "publish"];
/** Programs of the repository that `pnpm` also runs. */
const PROGRAMS = ["buf", "vitest"];
/** What a page has its reader write: "cat > FILE <<'END'". */
const CREATED_FILES = /^cat > (\S+) <</gm;
const SHELL_BLOCKS = /^ *```sh\n([\s\S]*?)^ *```$/gm;
/** `verify --only docs` */
const NAMED_CHECKS = /--only ([\w-]+)/g;
/** `sh examples/curl/place-order.sh`, not `$FOLDER/proto/` */
const COMMAND_PATHS =
  /(?<![\w$}/.:-])((?:\.ci|\.github|charts|docs|examples|gateway|gen|infra|packages|perf|proto|scripts)\/[^\s'"`;|)<>$]*)/g;
/** `packages/order/src/order.ts`, `order.ts`, `gateway/kong.{yml,env}`, `infra/k8s/base/` */
const NAMED_PATHS =
  /`((?:\.ci|\.github|charts|docs|examples|gateway|gen|infra|packages|perf|proto|scripts)\/[^\s<`]*|\w[\w./-]*\.(?:[cm]?js|ts|proto|md|ya?ml|json|sh|sql))`/g;
/** Written by a command, and not committed. */
const NOT_COMMITTED =
  /(?:^|\/)(?:dist|node_modules|\.data|charts\/tercet\/charts)\/|^infra\/\.env$|^(?:secrets|jwks)\.json$/;
const LINKS = /\]\(([^)#\s]+)(?:#[^)]*)?\)/g;

export async function checkDocs(): Promise<Outcome> {
  const paths = await listFiles();
  const texts = await readTexts(paths);
  // A picture is there too, without a text.
  const files = new Map(paths.map((path) => [path, texts.get(path) ?? ""]));
  return failedWith([...docProblems(files), ...stepProblems(files.get("docs/steps.md") ?? "")]);
}

/**
 * Returns links of Markdown files that lead nowhere, and files, tests, RPCs and scripts that they
 * name and that do not exist. Files are given as path (from the root) and text.
 */
export function docProblems(files: ReadonlyMap<string, string>): string[] {
  const folders = new Set([...files.keys()].flatMap((path) => parents(path)));
  const there = [...files.keys(), ...folders];
  const problems = [...files].flatMap(([path, text]) => {
    if (!path.endsWith(".md")) return [];
    const known = asTemplate(text);
    const created = namesIn(text, CREATED_FILES);
    const missing = [
      ...missingLinks(path, text, new Set(there)),
      ...missingPaths(known, [...there, ...created]),
      ...missingRpcs(known, files),
      ...missingScripts(namesIn(text, NAMED_SCRIPTS), files).map((name) => `pnpm ${name}`),
      ...missingInCommands(namesIn(known, SHELL_BLOCKS).join("\n"), files, [...there, ...created]),
    ];
    return [
      ...missing.map((name) => `${path}: there is no ${name}`),
      ...missingTests(path, text, files),
    ];
  });
  return [...new Set(problems)];
}

/**
 * What a page has its reader create with `pnpm new service NAME --resource NOUN` is looked for in
 * the template: returns the text with the template's names and folders.
 */
function asTemplate(text: string): string {
  const [, name, resource] = /pnpm new service ([a-z]\w*) --resource ([a-z]\w*)/.exec(text) ?? [];
  if (name === undefined || resource === undefined) return text;
  const renamedText = renamed(
    renamed(text, name, spellingOf("acme")),
    resource,
    spellingOf("widget"),
  );
  return renamedText
    .replaceAll("packages/acme", "scripts/templates/service/package")
    .replaceAll("proto/acme/v1", "scripts/templates/service/proto");
}

/** Returns the first group of each match. */
export const namesIn = (text: string, pattern: RegExp): string[] =>
  [...text.matchAll(pattern)].map(([, name = ""]) => name);

function missingLinks(path: string, text: string, there: ReadonlySet<string>): string[] {
  return namesIn(text, LINKS).filter((link) => {
    const target = posix.join(posix.dirname(path), link).replace(/\/$/, "");
    return !/^[a-z]+:/.test(link) && !there.has(target);
  });
}

/** A name without a folder, or with the last ones of its folders, is enough. */
function missingPaths(text: string, there: readonly string[]): string[] {
  const prose = text.replace(/^```[\s\S]*?^```$/gm, "");
  return absent(namesIn(prose, NAMED_PATHS), there);
}

function absent(names: readonly string[], there: readonly string[]): string[] {
  const named = names.map((name) => name.replace(/\/$/, ""));
  const exists = (name: string) =>
    there.some((one) => one === name || one.endsWith(`/${name}`) || matchesGlob(one, name));
  return named.filter((name) => !NOT_COMMITTED.test(name) && !exists(name));
}

/** Returns the scripts, checks and paths that shell commands name and that do not exist. */
function missingInCommands(
  commands: string,
  files: ReadonlyMap<string, string>,
  there: readonly string[],
): string[] {
  const scripts = namesIn(commands, /\bpnpm ([a-z][\w:-]*)/g).filter(
    (name) => !PROGRAMS.includes(name),
  );
  const checks = files.get("scripts/checks/checks.ts") ?? "";
  return [
    ...missingScripts(scripts, files).map((name) => `pnpm ${name}`),
    ...namesIn(commands, NAMED_CHECKS)
      .filter((name) => !checks.includes(`"${name}"`))
      .map((name) => `check ${name}`),
    ...absent(namesIn(commands, COMMAND_PATHS), there),
  ];
}

function missingRpcs(text: string, files: ReadonlyMap<string, string>): string[] {
  const protos = [...files].filter(([file]) => file.endsWith(".proto")).map(([, proto]) => proto);
  const named = [...text.matchAll(NAMED_RPCS)].filter(
    ([, name, service, method]) =>
      !protos.some(
        (proto) =>
          proto.includes(`package ${name};`) &&
          new RegExp(`service ${service} \\{[^]*?\\brpc ${method}\\(`).test(proto),
      ),
  );
  return named.map(([rpc]) => rpc);
}

/** Returns the names that are neither scripts of package.json nor commands of pnpm itself. */
export function missingScripts(
  names: readonly string[],
  files: ReadonlyMap<string, string>,
): string[] {
  const { scripts = {} } = JSON.parse(files.get("package.json") ?? "{}") as {
    scripts?: Record<string, string>;
  };
  return names.filter((name) => !(name in scripts) && !PNPM_ITSELF.includes(name));
}

function missingTests(path: string, text: string, files: ReadonlyMap<string, string>): string[] {
  // Prose is wrapped: a title may continue on the next line.
  return [...text.replace(/\s+/g, " ").matchAll(NAMED_TESTS)].flatMap(
    ([, file = "", titles = ""]) => {
      const tests = files.get(file);
      if (tests === undefined) return [`${path}: there is no ${file}`];
      return namesIn(titles, /"([^"]+)"/g)
        .filter((title) => !tests.includes(title))
        .map((title) => `${path}: ${file} has no test "${title}"`);
    },
  );
}

const parents = (path: string): string[] =>
  path
    .split("/")
    .slice(0, -1)
    .map((_, depth, parts) => parts.slice(0, depth + 1).join("/"));

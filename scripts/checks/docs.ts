import { matchesGlob, posix } from "node:path";
import { failedWith, listFiles, type Outcome, readTexts } from "@tercet/cli/repository";

/** `packages/x/test/y.test.ts` › "one title"; "another" */
const NAMED_TESTS = /`([\w./-]+\.test\.ts)` › ("[^"]+"(?:; "[^"]+")*)/g;
/** order.v1.SagaService/RetrySaga */
const NAMED_RPCS = /\b([a-z]+\.v\d+)\.(\w+)\/(\w+)/g;
/** `pnpm chaos` */
const NAMED_SCRIPTS = /`pnpm ([a-z][\w:-]*)/g;
/** Commands of pnpm itself. */
const PNPM_ITSELF = ["install", "deploy", "exec"];
/** `packages/order/src/order.ts`, `order.ts`, `gateway/kong.{yml,env}`, `infra/k8s/base/` */
const NAMED_PATHS =
  /`((?:\.ci|\.github|charts|docs|gateway|gen|infra|packages|perf|proto|scripts)\/[^\s<`]*|\w[\w./-]*\.(?:[cm]?js|ts|proto|md|ya?ml|json|sh|sql))`/g;
/** Written by a command, and not committed. */
const NOT_COMMITTED =
  /(?:^|\/)(?:dist|node_modules|\.data|charts\/tercet\/charts)\/|^infra\/\.env$|^(?:secrets|jwks)\.json$/;
const LINKS = /\]\(([^)#\s]+)(?:#[^)]*)?\)/g;

export async function checkDocs(): Promise<Outcome> {
  return failedWith(docProblems(await readTexts(await listFiles())));
}

/**
 * Returns links of Markdown files that lead nowhere, and files, tests, RPCs and scripts that they
 * name and that do not exist. Files are given as path (from the root) and text.
 */
export function docProblems(files: ReadonlyMap<string, string>): string[] {
  const folders = new Set([...files.keys()].flatMap((path) => parents(path)));
  const problems = [...files].flatMap(([path, text]) => {
    if (!path.endsWith(".md")) return [];
    const links = [...text.matchAll(LINKS)]
      .map(([, link = ""]) => link)
      .filter((link) => !/^[a-z]+:/.test(link));
    const lost = links.filter((link) => {
      const target = posix.normalize(posix.join(posix.dirname(path), link)).replace(/\/$/, "");
      return !files.has(target) && !folders.has(target);
    });
    return [
      ...lost.map((link) => `${path}: there is no ${link}`),
      ...missingPaths(path, text, [...files.keys(), ...folders]),
      ...missingTests(path, text, files),
      ...missingRpcs(path, text, files),
      ...missingScripts(path, text, files),
    ];
  });
  return [...new Set(problems)];
}

/** A name without a folder, or with the last ones of its folders, is enough. */
function missingPaths(path: string, text: string, there: readonly string[]): string[] {
  const prose = text.replace(/^```[\s\S]*?^```$/gm, "");
  const named = [...prose.matchAll(NAMED_PATHS)].map(([, name = ""]) => name.replace(/\/$/, ""));
  const exists = (name: string) =>
    there.some((one) => one === name || one.endsWith(`/${name}`) || matchesGlob(one, name));
  return named
    .filter((name) => !NOT_COMMITTED.test(name) && !exists(name))
    .map((name) => `${path}: there is no ${name}`);
}

function missingRpcs(path: string, text: string, files: ReadonlyMap<string, string>): string[] {
  const protos = [...files].filter(([file]) => file.endsWith(".proto")).map(([, proto]) => proto);
  const isThere = (rpcs: string, service: string, method: string) =>
    protos.some(
      (proto) =>
        proto.includes(`package ${rpcs};`) &&
        new RegExp(`service ${service} \\{[^]*?\\brpc ${method}\\(`).test(proto),
    );
  const named = [...text.matchAll(NAMED_RPCS)].filter(
    ([, rpcs = "", service = "", method = ""]) => !isThere(rpcs, service, method),
  );
  return named.map(([rpc]) => `${path}: there is no ${rpc}`);
}

function missingScripts(path: string, text: string, files: ReadonlyMap<string, string>): string[] {
  const { scripts = {} } = JSON.parse(files.get("package.json") ?? "{}") as {
    scripts?: Record<string, string>;
  };
  const named = [...text.matchAll(NAMED_SCRIPTS)].map(([, name = ""]) => name);
  return named
    .filter((name) => !(name in scripts) && !PNPM_ITSELF.includes(name))
    .map((name) => `${path}: there is no pnpm ${name}`);
}

function missingTests(path: string, text: string, files: ReadonlyMap<string, string>): string[] {
  // Prose is wrapped: a title may continue on the next line.
  return [...text.replace(/\s+/g, " ").matchAll(NAMED_TESTS)].flatMap(
    ([, file = "", titles = ""]) => {
      const tests = files.get(file);
      if (tests === undefined) return [`${path}: there is no ${file}`];
      const named = [...titles.matchAll(/"([^"]+)"/g)].map(([, title = ""]) => title);
      return named
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

import { posix } from "node:path";
import { failedWith, listFiles, type Outcome, readTexts } from "@tercet/cli/repository";

/** `packages/x/test/y.test.ts` › "one title"; "another" */
const NAMED_TESTS = /`([\w./-]+\.test\.ts)` › ("[^"]+"(?:; "[^"]+")*)/g;
/** order.v1.SagaService/RetrySaga */
const NAMED_RPCS = /\b([a-z]+\.v\d+)\.(\w+)\/(\w+)/g;
/** `pnpm chaos` */
const NAMED_SCRIPTS = /`pnpm ([a-z][\w:-]*)/g;
/** What pnpm does itself. */
const PNPM_ITSELF = ["install", "deploy", "exec"];
const LINKS = /\]\(([^)#\s]+)(?:#[^)]*)?\)/g;

export async function checkDocs(): Promise<Outcome> {
  return failedWith(docProblems(await readTexts(await listFiles())));
}

/**
 * Links of Markdown files that point nowhere, and tests, RPCs and scripts that they name and that
 * are not there; files are given as path (from the root) and text.
 */
export function docProblems(files: ReadonlyMap<string, string>): string[] {
  const folders = new Set([...files.keys()].flatMap((path) => parents(path)));
  return [...files].flatMap(([path, text]) => {
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
      ...missingTests(path, text, files),
      ...missingRpcs(path, text, files),
      ...missingScripts(path, text, files),
    ];
  });
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
  // Prose is wrapped, so that a title may go over a line's end.
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

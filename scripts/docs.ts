import { posix } from "node:path";
import { failedWith, type Outcome } from "./outcome.ts";
import { listFiles, readTexts } from "./repository.ts";

/** `packages/x/test/y.test.ts` › "one title"; "another" */
const NAMED_TESTS = /`([\w./-]+\.test\.ts)` › ("[^"]+"(?:; "[^"]+")*)/g;
const LINKS = /\]\(([^)#\s]+)(?:#[^)]*)?\)/g;

export async function checkDocs(): Promise<Outcome> {
  return failedWith(docProblems(await readTexts(await listFiles())));
}

/** Links of Markdown files that point nowhere, and tests that they name and that are not there; files are given as path (from the root) and text. */
export function docProblems(files: ReadonlyMap<string, string>): string[] {
  const folders = new Set([...files.keys()].flatMap((path) => parents(path)));
  return [...files].flatMap(([path, text]) => {
    if (!path.endsWith(".md")) return [];
    const links = [...text.matchAll(LINKS)].map(([, link = ""]) => link).filter((link) => !/^[a-z]+:/.test(link));
    const lost = links.filter((link) => {
      const target = posix.normalize(posix.join(posix.dirname(path), link)).replace(/\/$/, "");
      return !files.has(target) && !folders.has(target);
    });
    return [...lost.map((link) => `${path}: there is no ${link}`), ...missingTests(path, text, files)];
  });
}

function missingTests(path: string, text: string, files: ReadonlyMap<string, string>): string[] {
  return [...text.matchAll(NAMED_TESTS)].flatMap(([, file = "", titles = ""]) => {
    const tests = files.get(file);
    if (tests === undefined) return [`${path}: there is no ${file}`];
    const named = [...titles.matchAll(/"([^"]+)"/g)].map(([, title = ""]) => title);
    return named.filter((title) => !tests.includes(title)).map((title) => `${path}: ${file} has no test "${title}"`);
  });
}

const parents = (path: string): string[] =>
  path
    .split("/")
    .slice(0, -1)
    .map((_, depth, parts) => parts.slice(0, depth + 1).join("/"));

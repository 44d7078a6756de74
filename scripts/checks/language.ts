import { failedWith, listFiles, type Outcome, readTexts } from "@tercet/cli/repository";
import { parseSync, Visitor } from "oxc-parser";

/** Words that must not come back, each with what to write instead. */
export const glossary: readonly (readonly [words: RegExp, instead: string])[] = [
  [/(?:\/\*\*|\/\/|#) Answers\b/, "Returns, Resolves to"],
  [/\b(?:whoever|somebody|nobody)\b/i, "the caller, another replica, no one; or the passive"],
  [/\b(?:is|are|was|were|be|been|being) told\b/i, "is notified, receives"],
  [/\b(?:hears?|heard) (?:of|from|that|what|about)\b/i, "is notified of, receives"],
  [/\bso (?:many|long)\b(?! (?:as|that)\b)/i, "`n`; for `timeoutMs`; that many, that long"],
  [/\bwhat (?:became|becomes) of\b/i, "the outcome of"],
  [/\bcom(?:e|es|ing) by\b/i, "passes, reaches"],
  [/\bstand(?:s|ing)? (?:in|beside|at|there|here|above|below)\b(?! for)/i, "is in, is next to"],
  [/\b(?:is|are|was|were|be) believed\b/i, "is cached as valid"],
  [/\bpayments?\b[^.]{0,40}\b(?:gives?|given) up\b/i, "abandons, abandoned"],
  [/\bturn(?:s|ed|ing)? back\b/i, "compensates"],
  [/\b(?:cannot|not to) be had\b/i, "is not available, cannot be fetched"],
  [/\bprograms? of others\b/i, "third-party tools"],
  [/\bfor want of\b/i, "without"],
  [/\b(?:misfortunes?|doomed|adrift)\b/i, "fault, discarded, orphaned"],
  [/\b(?:hurry|hurries|hurried|wish|wishes|wished)\b/i, "force, speed up; request, want"],
];

const WIDTH = 100;

/** Copies of other files, generated files, and the list above. */
const EXEMPT =
  /^(?:gen\/src|proto\/(?:buf|grpc)|charts\/tercet\/files|infra\/k8s\/(?:base|databases))\/|^gateway\/kong\.yml$|^scripts\/checks\/language\./;

/** What a linter or compiler reads is on one line. */
const DIRECTIVE = /biome-ignore|@ts-|shellcheck|go:/;

export async function checkLanguage(): Promise<Outcome> {
  const files = [...(await readTexts(await listFiles()))].filter(([path]) => !EXEMPT.test(path));
  return failedWith(
    files.flatMap(([path, text]) => [...wordProblems(path, text), ...widthProblems(path, text)]),
  );
}

/** Returns each word of the glossary in comments, strings and documents; not in quotes or code. */
export function wordProblems(path: string, text: string): string[] {
  const { comments, strings } = proseOf(path, text);
  return [unquoted(comments), unquoted(strings)].flatMap((masked) =>
    glossary.flatMap(([words, instead]) =>
      [...masked.matchAll(acrossLines(words))].map(
        ({ 0: found, index }) =>
          `${path}:${lineOf(text, index)} "${found.replace(/[\s*#/]+/g, " ").trim()}": write ${instead}`,
      ),
    ),
  );
}

/** Returns each line of a comment or of a document's prose that is too wide and can be wrapped. */
export function widthProblems(path: string, text: string): string[] {
  const lines = text.split("\n");
  const { comments } = proseOf(path, text);
  return comments.split("\n").flatMap((comment, index) => {
    const line = lines[index] ?? "";
    // Prose, a space, prose, within the width: there is a place to wrap.
    const wraps = /^[\s/*#>-]*(?![\s/*#>-])\S+\s+\S/.test(line.slice(0, WIDTH));
    return comment.trim() !== "" && line.length > WIDTH && wraps && !DIRECTIVE.test(line)
      ? [`${path}:${index + 1} has ${line.length} columns: wrap at ${WIDTH}`]
      : [];
  });
}

interface Prose {
  /** The file with spaces for everything that is not a comment; of a document, its prose. */
  readonly comments: string;
  /** The same for strings, without what has no space: it is data. */
  readonly strings: string;
}

function proseOf(path: string, text: string): Prose {
  if (/\.(?:ts|tsx|mts|js|mjs)$/.test(path)) return proseOfScript(path, text);
  if (path.endsWith(".md")) return { comments: proseOfDocument(text), strings: "" };
  const comment = path.endsWith(".proto") ? /^\s*\/\/.*$/gm : /^\s*#.*$/gm;
  const hasComments = /\.(?:proto|sh|ya?ml|env|tf)$|(?:^|\/)(?:Dockerfile|run)$/.test(path);
  const spans = hasComments ? [...text.matchAll(comment)] : [];
  return {
    comments: only(
      text,
      spans.map(({ 0: { length }, index }) => [index, index + length]),
    ),
    strings: "",
  };
}

type Span = readonly [start: number, end: number];

function proseOfScript(path: string, text: string): Prose {
  const { program, comments, errors } = parseSync(path, text);
  if (errors.length > 0) throw new Error(`${path}: ${errors[0]?.message}`);
  const strings: Span[] = [];
  const add = ({ start, end }: { start: number; end: number }) => {
    if (/\S\s+\S/.test(text.slice(start, end))) strings.push([start, end]);
  };
  new Visitor({
    Literal: (node) => {
      if (typeof node.value === "string") add({ start: node.start + 1, end: node.end - 1 });
    },
    // Its span may include the backticks.
    TemplateElement: (node) => add({ start: node.start + 1, end: node.end - 1 }),
  }).visit(program);
  return {
    comments: only(
      text,
      comments.map(({ start, end }) => [start, end]),
    ),
    strings: only(text, strings),
  };
}

/** Without code, tables' rules and links' targets. */
const proseOfDocument = (text: string): string =>
  text.replace(/^( *)(```|~~~)[\s\S]*?^\1\2$|^\|.*$|^<.*$|\]\([^)]*\)/gm, blank);

const unquoted = (prose: string): string => prose.replace(/`[^`]*`|"[^"]*"/g, blank);

const blank = (text: string): string => text.replace(/[^\n]/g, " ");

function only(text: string, spans: readonly Span[]): string {
  let [result, at] = ["", 0];
  for (const [start, end] of [...spans].sort(([a], [b]) => a - b)) {
    result += blank(text.slice(at, start)) + text.slice(start, end);
    at = end;
  }
  return result + blank(text.slice(at));
}

/** A phrase may go over the end of a line, and over what each line of a comment begins with. */
const acrossLines = ({ source, flags }: RegExp): RegExp =>
  new RegExp(source.replaceAll(" ", "[\\s*#/]+"), `g${flags}`);

const lineOf = (text: string, index: number): number => text.slice(0, index).split("\n").length;

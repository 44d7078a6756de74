import { failedWith, listFiles, type Outcome, readTexts } from "@tercet/cli/repository";

const readmeLimit = 200;

const forbidden: readonly { pattern: RegExp; what: string }[] = [
  {
    pattern:
      /\b(?:registry\.(?:npmjs|yarnpkg)\.\w+|(?:proxy|sum)\.golang\.\w+|pypi\.\w+\/|files\.pythonhosted\.\w+|(?:deb|security)\.debian\.\w+)/,
    what: "names a package registry's host: what a machine fetches from is its own setting",
  },
  { pattern: /(?<![\w.}-])\/(?:work(?![\w.-])|root\/)/, what: "names a path of one machine" },
];

export async function checkTexts(): Promise<Outcome> {
  const texts = await readTexts(await listFiles());
  return failedWith([...textProblems(texts), ...readmeProblems(texts.get("README.md"))]);
}

export function textProblems(files: ReadonlyMap<string, string>): string[] {
  return [...files].flatMap(([path, text]) =>
    forbidden.flatMap(({ pattern, what }) => {
      const line = text.split("\n").findIndex((one) => pattern.test(one));
      return line < 0 ? [] : [`${path}:${line + 1} ${what}`];
    }),
  );
}

export function readmeProblems(text: string | undefined): string[] {
  if (text === undefined) return ["README.md is missing"];
  const lines = text.trimEnd().split("\n").length;
  return lines < readmeLimit
    ? []
    : [`README.md has ${lines} lines; it stays under ${readmeLimit}, details go to docs/`];
}

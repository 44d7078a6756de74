import { describe, expect, test } from "vitest";
import { glossary, widthProblems, wordProblems } from "./language.ts";

describe("words", () => {
  test.each([
    ["a.ts", "/** Answers the id. */", "Answers"],
    ["a.ts", "// It is told\n// so.", "is told"],
    ["a.ts", "/**\n * Kept for so\n * many calls.\n */", "so many"],
    ["a.ts", 'test("whoever calls", () => {});', "whoever"],
    ["a.ts", "const help = `\nWhat is not to be had\n`;", "not to be had"],
    ["a.proto", "// Nobody calls it.\nmessage A {}", "Nobody"],
    ["a.sh", "# For want of curl.\nexit 1", "For want of"],
    ["a.yaml", "a: 1\n# programs of others\n", "programs of others"],
    ["a.md", "The worker stands\nbeside it.", "stands beside"],
  ])("%s: %j", (path, text, found) => {
    expect(wordProblems(path, text)).toEqual([
      expect.stringMatching(new RegExp(`^${path}:\\d+ ".*${found}": write `)),
    ]);
  });

  test.each([
    ["a.ts", "const nobody = adrift(wish);"],
    ["a.ts", '/** Runs as `nobody`. The title is "whoever calls". */'],
    ["a.ts", 'const user = "nobody";'],
    ["a.ts", "const text = 'the account \"nobody\" cannot reach it';"],
    ["a.ts", "/** As long as it answers; so long as it runs; so many that it fails. */"],
    ["a.md", "```sh\nsudo -u nobody\n```\n\n`adrift` and [x](nobody.md)"],
    ["a.json", '{ "nobody": 1 }'],
  ])("not in %s: %j", (path, text) => expect(wordProblems(path, text)).toEqual([]));

  test("the line is the one where the words begin", () => {
    expect(wordProblems("a.ts", "const a = 1;\n\n/** One.\n * It is\n * told. */")).toEqual([
      'a.ts:4 "is told": write is notified, receives',
    ]);
  });

  test("every entry says what to write instead", () => {
    for (const [, instead] of glossary) expect(instead).not.toBe("");
  });
});

describe("width", () => {
  const wide = "word ".repeat(25).trim();
  const url = `https://example.com/${"a".repeat(100)}`;

  test.each([
    ["a.ts", `// ${wide}`],
    ["a.ts", `/**\n * ${wide}\n */`],
    ["a.proto", `  // ${wide}`],
    ["a.sh", `# ${wide}`],
    ["a.md", wide],
    ["a.md", `- ${wide}`],
  ])("%s: %s", (path, text) => {
    expect(widthProblems(path, text)).toEqual([expect.stringContaining("columns: wrap at 100")]);
  });

  test.each([
    ["a.ts", `const a = "${wide}";`],
    ["a.ts", `// ${url}`],
    ["a.ts", `// biome-ignore lint/a/b: ${wide}`],
    ["a.md", `| ${wide} |`],
    ["a.md", `\`\`\`\n${wide}\n\`\`\``],
    ["a.md", `1. a\n\n   \`\`\`sh\n   ${wide}\n   \`\`\``],
    ["a.md", `- [link](${url})`],
    ["a.md", url],
  ])("not in %s: %s", (path, text) => expect(widthProblems(path, text)).toEqual([]));
});

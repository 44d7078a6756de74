import { expect, test } from "vitest";
import { docProblems } from "./docs.ts";

const files = (text: string) =>
  new Map([
    ["docs/a.md", text],
    ["docs/b.md", ""],
    ["packages/x/y.test.ts", 'test("it works", () => {}); test("it works too", () => {});'],
  ]);

test.each([
  "[b](b.md), [x](../packages/x/), [elsewhere](https://example.com/c.md), [part](b.md#part)",
  '`packages/x/y.test.ts` › "it works"; "it works too" (really)',
])("nothing is wrong with %s", (text) => {
  expect(docProblems(files(text))).toEqual([]);
});

test.each([
  ["[c](c.md)", "docs/a.md: there is no c.md"],
  ['`packages/x/z.test.ts` › "it works"', "docs/a.md: there is no packages/x/z.test.ts"],
  ['`packages/x/y.test.ts` › "it works"; "it does not"', 'docs/a.md: packages/x/y.test.ts has no test "it does not"'],
])("%s", (text, problem) => {
  expect(docProblems(files(text))).toEqual([problem]);
});

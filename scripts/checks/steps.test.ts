import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "@tercet/cli/repository";
import { expect, test } from "vitest";
import { stepProblems } from "./steps.ts";

const text = readFileSync(join(ROOT, "docs/steps.md"), "utf8");

test("the steps are complete", () => {
  expect(stepProblems(text)).toEqual([]);
});

test.each([
  [
    "a step is missing",
    /^## 10\. [\s\S]*?(?=^## 11\.)/m,
    "",
    "step 10. saga is not where it belongs",
  ],
  ["steps are in another order", "## 3. ", "## 4. ", "step 3. participant is not where it belongs"],
  ["a part is missing", "**Insight**", "Insight", "step 1. contracts has the parts"],
  ["there is no command", "```sh", "```", "step 1. contracts has no command"],
  ["it is too long", "**Where**", `**Where**${"\n".repeat(60)}`, "are one screen"],
  ["one is too many", /$/, "\n## 21. More\n", "has more than 20 steps"],
])("%s", (_, from, to, problem) => {
  expect(stepProblems(text.replace(from, to)).join("\n")).toContain(problem);
});

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { sagaPaths } from "./saga-paths.ts";

/** Generated from Order's definitions, and verified to be up to date. */
const page = readFileSync(join(import.meta.dirname, "../../../../docs/sagas.md"), "utf8");

test("the steps are those of Order's definitions", () => {
  const sections = page.split(/^## /m).slice(1);
  const defined = sections.map((section) => ({
    kind: section.slice(0, section.indexOf(",")),
    steps: [...section.matchAll(/^\| (\S+) \| (?:initial|local|remote) \| (yes|no) \|$/gm)].map(
      ([, name, undone]) => ({ name, hasUndo: undone === "yes" }),
    ),
  }));
  expect(sagaPaths).toEqual(defined);
});

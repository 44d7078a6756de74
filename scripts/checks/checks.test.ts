import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { ROOT } from "@tercet/cli/repository";
import { expect, test } from "vitest";
import { checks, tasks } from "./checks.ts";

const json = async (file: string) => JSON.parse(await readFile(join(ROOT, file), "utf8"));
const namesOf = (record: object, prefix: string) =>
  Object.keys(record)
    .filter((name) => name.startsWith(prefix))
    .map((name) => name.slice(prefix.length));

test("each task has a script, and is a task of turbo.json", async () => {
  const names = Object.keys(tasks);
  expect(namesOf((await json("package.json")).scripts, "verify:")).toEqual(names);
  expect(namesOf((await json("turbo.json")).tasks, "//#verify:")).toEqual(names);
});

test("no two checks have one name", () => {
  expect(new Set(checks.map(({ name }) => name)).size).toBe(checks.length);
});

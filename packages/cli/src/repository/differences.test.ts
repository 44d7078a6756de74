import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { differences } from "./differences.ts";

const folder = await mkdtemp(join(tmpdir(), "tercet-differences-"));
afterAll(() => rm(folder, { recursive: true, force: true }));

async function folderOf(name: string, files: Record<string, string>): Promise<string> {
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name, path)), { recursive: true });
    await writeFile(join(folder, name, path), text);
  }
  return join(folder, name);
}

test("what differs is named", async () => {
  const committed = await folderOf("committed", {
    "same.js": "1",
    "v1/old.js": "1",
    "v1/changed.js": "1",
  });
  const fresh = await folderOf("fresh", { "same.js": "1", "v1/new.js": "1", "v1/changed.js": "2" });
  expect(await differences(committed, fresh)).toEqual([
    "v1/changed.js is stale",
    "v1/new.js is missing",
    "v1/old.js is no longer generated",
  ]);
  expect(await differences(committed, committed)).toEqual([]);
});

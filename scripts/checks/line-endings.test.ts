import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { execute, temporaryFolder } from "@tercet/cli/repository";
import { expect, test } from "vitest";

test("a checkout as Git for Windows makes it has no file whose lines end with CR LF", async () => {
  await using folder = await temporaryFolder("checkout");
  const checkout = ["checkout-index", "--all", `--prefix=${folder.path}/`];
  const { code, output } = await execute("git", ["-c", "core.autocrlf=true", ...checkout]);
  expect({ code, output }).toEqual({ code: 0, output: "" });
  const files = (await readdir(folder.path, { recursive: true, withFileTypes: true })).filter(
    (entry) => entry.isFile(),
  );
  expect(files.map(({ name }) => name)).toContain("compose-up.sh");
  const wrong: string[] = [];
  for (const { parentPath, name } of files) {
    const text = await readFile(join(parentPath, name), "latin1");
    if (text.includes("\r\n") && !text.includes("\0")) wrong.push(name);
  }
  expect(wrong).toEqual([]);
});

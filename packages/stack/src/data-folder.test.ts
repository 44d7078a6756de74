import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from "vitest";
import { openDataFolder } from "./data-folder.ts";
import { StackError } from "./errors.ts";

let parent: string;
beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), "tercet-folder-"));
});
afterEach(() => rm(parent, { recursive: true, force: true }));

test("it is made, held by one at a time, and let go", async () => {
  const path = join(parent, "a", "b");
  const folder = await openDataFolder(path);
  expect(folder.leftBehind).toBe(false);
  await expect(openDataFolder(path)).rejects.toThrow(
    `another stack runs on the folder ${path}: stop it, or set DATA_DIR to another folder`,
  );
  await folder[Symbol.asyncDispose]();
  await using again = await openDataFolder(path);
  expect(again.leftBehind).toBe(false);
});

test("only its owner may enter it, also if it was there before", async () => {
  await chmod(parent, 0o755);
  for (const path of [parent, join(parent, "new")]) {
    await using folder = await openDataFolder(path);
    expect((await stat(folder.path)).mode & 0o777).toBe(0o700);
  }
});

test("one whose holder was killed can be taken, and says so", async () => {
  const module = new URL("./data-folder.ts", import.meta.url).href;
  const script = `const { openDataFolder } = await import(${JSON.stringify(module)}); await openDataFolder(${JSON.stringify(parent)});
    console.log("held"); setInterval(() => {}, 1000);`;
  const holder = spawn(process.execPath, ["--input-type=module", "--eval", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(holder.stdout, "data");
  await expect(openDataFolder(parent)).rejects.toThrow(StackError);
  holder.kill("SIGKILL");
  await once(holder, "exit");
  await using folder = await openDataFolder(parent);
  expect(folder.leftBehind).toBe(true);
});

test.each(["/nowhere", `/tmp/${"x".repeat(200)}`])(
  "whatever TMPDIR is, one at a time holds it: %s",
  async (elsewhere) => {
    await using held = await openDataFolder(parent);
    vi.stubEnv("TMPDIR", elsewhere);
    onTestFinished(() => void vi.unstubAllEnvs());
    await expect(openDataFolder(held.path)).rejects.toThrow("another stack runs on the folder");
  },
);

test.runIf(process.platform === "linux")("its path may be long", async () => {
  const path = join(parent, "x".repeat(100), "y".repeat(100));
  const folder = await openDataFolder(path);
  await expect(openDataFolder(path)).rejects.toThrow("another stack runs on the folder");
  await folder[Symbol.asyncDispose]();
  await using again = await openDataFolder(path);
  expect(again.leftBehind).toBe(false);
});

test.each(["file/data", "../../../../proc/tercet"])(
  "%s cannot be written, which is said in one sentence",
  async (name) => {
    await writeFile(join(parent, "file"), "");
    const path = join(parent, name);
    await expect(openDataFolder(path)).rejects.toThrow(
      /^the folder .+ cannot be written \([A-Z]+\): set DATA_DIR to one that can$/,
    );
  },
);

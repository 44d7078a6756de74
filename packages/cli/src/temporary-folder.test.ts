import { existsSync } from "node:fs";
import { expect, onTestFinished, test, vi } from "vitest";
import { CommandError } from "./errors.ts";
import { temporaryFolder } from "./temporary-folder.ts";

test("it is there until it is disposed of", async () => {
  const { path, ...folder } = await temporaryFolder("test");
  expect(existsSync(path)).toBe(true);
  await folder[Symbol.asyncDispose]();
  expect(existsSync(path)).toBe(false);
});

test.each(["/nowhere", "/proc", `/tmp/${"x".repeat(300)}`])(
  "where TMPDIR cannot be written, one sentence says so: %s",
  async (elsewhere) => {
    vi.stubEnv("TMPDIR", elsewhere);
    onTestFinished(() => void vi.unstubAllEnvs());
    const error = await temporaryFolder("test").catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(CommandError);
    expect((error as Error).message).toMatch(
      /^the folder for temporary files, .+, cannot be written \(E[A-Z]+\): set TMPDIR to one that can$/,
    );
  },
);

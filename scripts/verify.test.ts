import { spawnSync } from "node:child_process";
import { ROOT } from "@tercet/cli/repository";
import { expect, test } from "vitest";

function verify(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, ["--conditions=source", "scripts/verify.ts", ...args], {
    cwd: ROOT,
    encoding: "utf8",
  });
}

test("--only runs the named check and counts it", () => {
  const { status, stdout } = verify("--only", "buf-lint");
  expect(stdout).toMatch(/^buf-lint +ok \(\d+\.\d s\)\n1 passed, 0 failed, 0 skipped\n$/);
  expect(status).toBe(0);
});

test("a check that fails fails the run and shows why", () => {
  const { status, stdout } = spawnSync(
    process.execPath,
    ["--conditions=source", "scripts/verify.ts", "--only", "buf-breaking"],
    {
      cwd: ROOT,
      encoding: "utf8",
      env: { ...process.env, BUF_BREAKING_AGAINST: "nowhere" },
    },
  );
  expect(stdout).toContain("FAILED");
  expect(stdout).toContain("    Error: BUF_BREAKING_AGAINST=nowhere is no commit");
  expect(stdout).toMatch(/\n0 passed, 1 failed, 0 skipped\n$/);
  expect(status).toBe(1);
});

test("an unknown name runs nothing", () => {
  const { status, stderr } = verify("--only", "nothing");
  expect(stderr).toContain("no check is named nothing");
  expect(status).toBe(2);
});

test("--strict fails a run in which something was skipped", () => {
  const skipping = (...options: string[]) =>
    spawnSync(
      process.execPath,
      ["--conditions=source", "scripts/verify.ts", "--only", "prometheus", ...options],
      {
        cwd: ROOT,
        encoding: "utf8",
        // Without promtool.
        env: { ...process.env, PATH: "/nowhere" },
      },
    );
  expect(skipping().stdout).toMatch(/\n0 passed, 0 failed, 1 skipped\n$/);
  expect([skipping().status, skipping("--strict").status]).toEqual([0, 1]);
});

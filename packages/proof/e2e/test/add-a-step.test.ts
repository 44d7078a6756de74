import { join } from "node:path";
import { ROOT } from "@tercet/cli";
import { afterAll, beforeAll, expect, test } from "vitest";
import { patient } from "./patience.ts";
import { type Copy, copyRepository } from "./tutorial/copy.ts";
import { follow } from "./tutorial/follow.ts";

/** Installs, builds, generates, verifies and tests. */
const SLOW = patient(600_000);

let copy: Copy;
beforeAll(async () => {
  copy = await copyRepository();
}, SLOW);
afterAll(() => copy?.[Symbol.asyncDispose]());

test(
  "the tutorial works as it is written",
  async () => {
    const page = join(ROOT, "docs/tutorials/add-a-step.md");
    const output = await follow(page, { cwd: copy.path, env: {}, replace: {} });
    expect(output).toContain("4 passed, 0 failed");
    const { stdout } = await copy.run("git", "status", "--short", "--untracked-files=all");
    const changed = stdout.split("\n").map((line) => line.trim().split(" ").at(-1) ?? "");
    // What the reader writes, and what is generated from it.
    const isGenerated = (file: string) => file.startsWith("gen/") || file.endsWith("/openapi.json");
    expect(changed.filter((file) => !isGenerated(file)).sort()).toEqual([
      "docs/sagas.md",
      "packages/order/src/saga-paths.ts",
      "packages/order/src/sagas.ts",
      "packages/order/src/screening.ts",
      "packages/order/test/screening.test.ts",
      "proto/order/v1/order_service.proto",
    ]);
  },
  SLOW,
);

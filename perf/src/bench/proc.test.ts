import { spawn } from "node:child_process";
import { once } from "node:events";
import { expect, test } from "vitest";
import { descendants, hasVariable, residentMb } from "./proc.ts";

test("processes are found below the one that was started, with their variables and memory", async () => {
  // Prints its id, and waits for its input to end.
  const child = spawn("sh", ["-c", "sh -c 'echo $$; cat'; true"], {
    env: { PORT: "5011", PATH: process.env["PATH"] },
    stdio: ["pipe", "pipe", "ignore"],
  });
  const [printed] = (await once(child.stdout, "data")) as [Buffer];
  const below = descendants(child.pid ?? 0);
  expect(below).toContain(Number(printed));
  expect(descendants(process.pid)).toEqual(expect.arrayContaining(below));
  expect(hasVariable(Number(printed), "PORT", "5011")).toBe(true);
  expect(hasVariable(Number(printed), "PORT", "501")).toBe(false);
  expect(residentMb([process.pid])).toBeCloseTo(process.memoryUsage.rss() / 1e6, -2);
  child.stdin.end();
  await once(child, "exit");
  expect(residentMb([child.pid ?? 0])).toBeNaN();
});

import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const program = fileURLToPath(new URL("./unheard.ts", import.meta.url));

test("a process ends although the reader of its log has gone", async () => {
  const child = spawn(process.execPath, ["--conditions=source", program], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  await once(child.stdout, "data");
  child.stdout.destroy();
  const exited = once(child, "exit");
  child.stdin.end();
  const timer = setTimeout(() => child.kill("SIGKILL"), 60_000);
  expect(await exited).toEqual([0, null]);
  clearTimeout(timer);
});

test("what Node itself has to say about a service is a line of its log", async () => {
  const crashing = fileURLToPath(new URL("./crashing.ts", import.meta.url));
  const child = spawn(process.execPath, ["--conditions=source", crashing], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, NODE_OPTIONS: "" },
  });
  const [exit, written, printed] = await Promise.all([
    once(child, "exit"),
    text(child.stdout),
    text(child.stderr),
  ]);
  expect(printed).toBe("");
  expect(
    written
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line)),
  ).toMatchObject([
    { level: "warn", err: { message: "this is deprecated" } },
    { level: "fatal", err: { message: "nothing catches this" } },
  ]);
  expect(exit).toEqual([1, null]);
});

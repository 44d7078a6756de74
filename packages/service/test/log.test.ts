import { spawn } from "node:child_process";
import { once } from "node:events";
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

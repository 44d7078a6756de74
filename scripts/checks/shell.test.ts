import { expect, test } from "vitest";
import { isShellScript } from "./shell.ts";

test("a shell script is known by its first line or its ending", () => {
  expect(isShellScript(".ci/run", "#!/usr/bin/env bash\n")).toBe(true);
  expect(isShellScript("infra/up.sh", "echo up\n")).toBe(true);
  expect(isShellScript("scripts/verify.ts", "/** `sh` */\n")).toBe(false);
  expect(isShellScript("run", "#!/usr/bin/env node\n")).toBe(false);
});

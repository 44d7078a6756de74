import { type ChildProcess, spawn } from "node:child_process";
import { createRequire } from "node:module";
import { resolve } from "node:path";

/**
 * Starts Turborepo at the repository's root, without its telemetry and its notices of it and of new
 * versions. Its stdout can be read; the caller says where its stderr goes.
 */
export function startTurbo(
  args: readonly string[],
  stderr: "pipe" | "inherit",
  env: Readonly<Record<string, string>> = {},
): ChildProcess {
  const turbo = createRequire(import.meta.url).resolve("turbo/bin/turbo");
  return spawn(process.execPath, [turbo, "run", ...args], {
    cwd: resolve(import.meta.dirname, ".."),
    stdio: ["ignore", "pipe", stderr],
    env: { ...process.env, DO_NOT_TRACK: "1", TURBO_NO_UPDATE_NOTIFIER: "1", ...env },
  });
}

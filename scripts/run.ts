/**
 * `node scripts/run.ts PROGRAM [ARGUMENT]...`: builds the package of a program in dist/, and what
 * the package depends on, and runs the program in this process. Without a program it builds all.
 */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire, enableCompileCache } from "node:module";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const ROOT = resolve(import.meta.dirname, "..");

const [program, ...args] = process.argv.slice(2);
const code = build(program);
if (code !== 0) process.exit(code);
if (program !== undefined) {
  const path = resolve(ROOT, program);
  process.argv.splice(1, Number.POSITIVE_INFINITY, path, ...args);
  // Node then starts a second time without compiling what it loads.
  enableCompileCache(join(ROOT, "node_modules/.cache/compiled"));
  await import(pathToFileURL(path).href);
}

/** Returns turbo's exit code. */
function build(program: string | undefined): number {
  const turbo = createRequire(import.meta.url).resolve("turbo/bin/turbo");
  const filter = program === undefined ? [] : [`--filter=${packageOf(program)}`];
  const command = [turbo, "run", "build", "--output-logs=errors-only", ...filter];
  const { status, error } = spawnSync(process.execPath, command, {
    cwd: ROOT,
    // Not to stdout, which is the program's.
    stdio: ["inherit", process.stderr, "inherit"],
    // No telemetry, and no notices of it and of new versions.
    env: { ...process.env, DO_NOT_TRACK: "1", TURBO_NO_UPDATE_NOTIFIER: "1" },
  });
  if (error !== undefined) throw error;
  return status ?? 1;
}

/** Returns the name of the package that a path "<folder>/dist/..." is in. */
function packageOf(program: string): string {
  const folder = program.slice(0, program.indexOf("/dist/"));
  const { name } = JSON.parse(readFileSync(join(ROOT, folder, "package.json"), "utf8")) as {
    readonly name: string;
  };
  return name;
}

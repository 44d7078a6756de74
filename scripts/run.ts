/**
 * `node scripts/run.ts PROGRAM [ARGUMENT]...`: builds the package of a program in dist/, and what
 * the package depends on, and runs the program in this process. Without a program it builds all.
 */
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { enableCompileCache } from "node:module";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { startTurbo } from "./turbo.ts";

const ROOT = resolve(import.meta.dirname, "..");
const QUIET_MS = 1_000;

const [program, ...args] = process.argv.slice(2);
const code = await build(program);
if (code !== 0) process.exit(code);
if (program !== undefined) {
  const path = resolve(ROOT, program);
  process.argv.splice(1, Number.POSITIVE_INFINITY, path, ...args);
  // Node then starts a second time without compiling what it loads.
  enableCompileCache(join(ROOT, "node_modules/.cache/compiled"));
  await import(pathToFileURL(path).href);
}

/**
 * Resolves to turbo's exit code. What it prints goes to stderr, as stdout is the program's, and
 * only if the build takes a while or fails.
 */
async function build(program: string | undefined): Promise<number> {
  const filter = program === undefined ? [] : [`--filter=${packageOf(program)}`];
  const child = startTurbo(
    ["build", "--output-logs=errors-only", ...filter],
    "pipe",
    process.stderr.isTTY ? { FORCE_COLOR: "1" } : {},
  );
  let held: Buffer[] | undefined = [];
  const show = () => {
    for (const chunk of held ?? []) process.stderr.write(chunk);
    held = undefined;
  };
  for (const output of [child.stdout, child.stderr])
    output?.on("data", (chunk: Buffer) => held?.push(chunk) ?? process.stderr.write(chunk));
  const timer = setTimeout(show, QUIET_MS);
  const [code] = (await once(child, "close")) as [number | null];
  clearTimeout(timer);
  if (code !== 0) show();
  return code ?? 1;
}

/** Returns the name of the package that a path "<folder>/dist/..." is in. */
function packageOf(program: string): string {
  const folder = program.slice(0, program.indexOf("/dist/"));
  const { name } = JSON.parse(readFileSync(join(ROOT, folder, "package.json"), "utf8")) as {
    readonly name: string;
  };
  return name;
}

import { execFile } from "node:child_process";
import { cp, mkdir, readdir, readFile, readlink, symlink, writeFile } from "node:fs/promises";
import { delimiter, dirname, join } from "node:path";
import { promisify } from "node:util";
import { compileCacheOf, ROOT, temporaryFolder } from "@tercet/cli";

/** A copy of the repository for mutations. */
export interface Scratch extends AsyncDisposable {
  /** Replaces every occurrence in a file. Throws when there is none. */
  replace(path: string, from: string, to: string): Promise<void>;
  /** Runs a program of node_modules/.bin in the copy; never rejects. */
  run(
    program: string,
    ...args: readonly string[]
  ): Promise<{ readonly ok: boolean; readonly output: string }>;
  /** Like `run`, but rejects when the program fails. */
  must(program: string, ...args: readonly string[]): Promise<void>;
  /** Reverts every change. */
  restore(): Promise<void>;
}

const TIMEOUT_MS = 10 * 60_000;
const BUILT = ["dist", "tsconfig.tsbuildinfo"];

export async function scratchCopy(): Promise<Scratch> {
  await using starting = new AsyncDisposableStack();
  const { path: folder } = starting.use(await temporaryFolder("mutants"));
  await copySources(folder);
  await linkModules(folder);
  const env = {
    ...process.env,
    PATH: [join(folder, "node_modules/.bin"), process.env["PATH"]].join(delimiter),
    // The gates compare with the unchanged copy; NODE_OPTIONS would load the test runner's hooks.
    BUF_BREAKING_AGAINST: "HEAD",
    NODE_COMPILE_CACHE: compileCacheOf(folder),
    NO_COLOR: "1",
    NODE_OPTIONS: "",
  };
  const run: Scratch["run"] = async (program, ...args) => {
    try {
      // It gives way to tests that measure time.
      const { stdout, stderr } = await promisify(execFile)("nice", ["-n", "5", program, ...args], {
        cwd: folder,
        env,
        timeout: TIMEOUT_MS,
        maxBuffer: 2 ** 25,
      });
      return { ok: true, output: stdout + stderr };
    } catch (error) {
      const {
        stdout = "",
        stderr = "",
        message,
      } = error as Error & { stdout?: string; stderr?: string };
      return { ok: false, output: `${stdout}${stderr}\n${message}` };
    }
  };
  const must = async (program: string, ...args: readonly string[]) => {
    const { ok, output } = await run(program, ...args);
    if (!ok) throw new Error(output);
  };
  const git = (...args: readonly string[]) =>
    must("git", "-c", "user.name=test", "-c", "user.email=test@example.com", ...args);
  await git("init", "--quiet", "--initial-branch=main");
  await git("add", "--all");
  await git("commit", "--quiet", "--message=as it was");
  const running = starting.move();
  return {
    replace: (path, from, to) => replace(join(folder, path), from, to),
    run,
    must,
    restore: async () => {
      await git("reset", "--quiet", "--hard");
      await git("clean", "--quiet", "-d", "--force");
    },
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

async function replace(file: string, from: string, to: string): Promise<void> {
  const text = await readFile(file, "utf8");
  if (!text.includes(from)) throw new Error(`${file} does not have: ${from}`);
  await writeFile(file, text.replaceAll(from, to));
}

async function copySources(folder: string): Promise<void> {
  const { stdout } = await promisify(execFile)(
    "git",
    ["ls-files", "-z", "--cached", "--others", "--exclude-standard"],
    { cwd: ROOT },
  );
  for (const path of stdout.split("\0").filter(Boolean)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    // Files that are deleted but not committed are listed too.
    await cp(join(ROOT, path), join(folder, path)).catch(unlessMissing);
  }
}

/**
 * Links packages to each other within the copy, and third-party modules to the originals. What the
 * compiler has built comes along.
 */
async function linkModules(folder: string): Promise<void> {
  const { stdout } = await promisify(execFile)("git", ["ls-files", "*/package.json"], {
    cwd: ROOT,
  });
  for (const path of stdout.trim().split("\n").map(dirname))
    for (const made of ["node_modules", ...BUILT])
      await cp(join(ROOT, path, made), join(folder, path, made), {
        recursive: true,
        verbatimSymlinks: true,
      }).catch(unlessMissing);
  const modules = join(folder, "node_modules");
  await mkdir(modules);
  for (const entry of await readdir(join(ROOT, "node_modules"), { withFileTypes: true })) {
    const original = join(ROOT, "node_modules", entry.name);
    // What its programs keep there is of the copy.
    if (entry.name === ".cache") continue;
    if (entry.name.startsWith(".")) await symlink(original, join(modules, entry.name));
    else if (entry.isSymbolicLink())
      await symlink(await readlink(original), join(modules, entry.name));
    else await cp(original, join(modules, entry.name), { recursive: true, verbatimSymlinks: true });
  }
}

function unlessMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== "ENOENT") throw error;
}

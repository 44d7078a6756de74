import { existsSync } from "node:fs";
import { cp, mkdir } from "node:fs/promises";
import { delimiter, dirname, join } from "node:path";
import { compileCacheOf, ROOT, temporaryFolder } from "@tercet/cli";
import { listFiles } from "@tercet/cli/repository";
import { execa } from "execa";

/** A copy of the repository that a test may change. */
export interface Copy extends AsyncDisposable {
  readonly path: string;
  /** Runs a program of the copy. Throws with its output if it fails. */
  run(program: string, ...args: readonly string[]): Promise<{ readonly stdout: string }>;
}

/** What a reader has who started the system once: the builds, and what the compiler knows. */
const BUILT = [".turbo/cache", "node_modules/.cache"];

/** The program with its arguments, as one that gives way to tests that measure time. */
export const givingWay = (program: string, ...args: readonly string[]) =>
  ["nice", ["-n", "5", program, ...args]] as const;

/** Copies all files that are not ignored, and installs what they need from pnpm's store. */
export async function copyRepository(): Promise<Copy> {
  await using making = new AsyncDisposableStack();
  const folder = making.use(await temporaryFolder("copy"));
  for (const file of await listFiles()) {
    await mkdir(dirname(join(folder.path, file)), { recursive: true });
    await cp(join(ROOT, file), join(folder.path, file), { verbatimSymlinks: true });
  }
  const run = async (program: string, ...args: readonly string[]) => {
    const { stdout, all, exitCode } = await execa(...givingWay(program, ...args), {
      cwd: folder.path,
      env: copyEnv(folder.path),
      stdin: "ignore",
      all: true,
      reject: false,
    });
    if (exitCode !== 0) throw new Error(`${program} ${args.join(" ")}: ${all}`);
    return { stdout };
  };
  const git = (...args: readonly string[]) =>
    run("git", "-c", "user.name=test", "-c", "user.email=test@example.com", ...args);
  await git("init", "--quiet");
  await git("add", "--all");
  await git("commit", "--quiet", "--message", "Copy");
  await run("npx", "-y", "pnpm", "install", "--prefer-offline");
  for (const path of BUILT)
    if (existsSync(join(ROOT, path)))
      await cp(join(ROOT, path), join(folder.path, path), { recursive: true });
  await run("npx", "-y", "pnpm", "build");
  const made = making.move();
  return { path: folder.path, run, [Symbol.asyncDispose]: () => made.disposeAsync() };
}

/** The programs of the copy come first; variables of Vitest and pnpm are not passed on. */
export function copyEnv(path: string): NodeJS.ProcessEnv {
  const others = Object.fromEntries(
    Object.keys(process.env)
      .filter((name) =>
        /^(VITEST|NODE_ENV|CI$|DEV$|PROD$|MODE$|SSR$|BASE_URL$|npm_lifecycle|npm_package|pnpm_config)/.test(
          name,
        ),
      )
      .map((name) => [name, undefined]),
  );
  return {
    ...process.env,
    ...others,
    PATH: [join(path, "node_modules/.bin"), process.env["PATH"]].join(delimiter),
    NODE_COMPILE_CACHE: compileCacheOf(path),
    NO_COLOR: "1",
  };
}

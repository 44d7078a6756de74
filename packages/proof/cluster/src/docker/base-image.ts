import { execFile } from "node:child_process";
import { cp, mkdir, readdir, realpath, rm, symlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { type Engine, LABEL } from "./engine.ts";
import { networkEnv } from "./network-env.ts";

const run = promisify(execFile);

/** What the steps of our Dockerfiles and our images use of Debian. */
export const PACKAGES = [
  "base-files",
  "bash",
  "coreutils",
  "dash",
  "findutils",
  "grep",
  "libc-bin",
  "libstdc++6",
];
export const PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/**
 * Returns the name of the image to build from: the one that the Dockerfile names where it can be
 * pulled; else one that is made here of Debian's packages, the pinned Node and this machine's npm.
 */
export async function baseImage(engine: Engine, pinned: string, scratch: string): Promise<string> {
  const pulled = await engine.docker(["pull", "--quiet", pinned], { timeoutMs: 120_000 });
  if (pulled.code === 0) return pinned;
  process.stderr.write(`${pinned} cannot be pulled: made of Debian's packages, Node and npm\n`);
  const root = join(scratch, "base");
  await debian(root, join(scratch, "packages"), PACKAGES);
  await node(root);
  return await importImage(engine, root, "tercet-test/node:made-here");
}

/**
 * Unpacks packages of Debian, and what they depend on, without running their scripts. What
 * `without` matches is left out.
 */
export async function debian(
  root: string,
  downloads: string,
  packages: readonly string[],
  without?: RegExp,
): Promise<void> {
  await mkdir(join(downloads, "partial"), { recursive: true });
  const install = [
    ...["-qq", "--yes", "--download-only", "--no-install-recommends"],
    // As if nothing were installed.
    ...["-o", "Dir::State::status=/dev/null", "-o", `Dir::Cache::archives=${downloads}`],
    ...["-o", "APT::Sandbox::User=root", "install", ...packages],
  ];
  await run("apt-get", install).catch(async () => {
    await run("apt-get", ["-qq", "update"]);
    await run("apt-get", install);
  });
  for (const folder of ["bin", "lib", "lib64", "sbin"]) {
    await mkdir(join(root, "usr", folder), { recursive: true });
    await symlink(`usr/${folder}`, join(root, folder));
  }
  for (const file of await readdir(downloads))
    if (file.endsWith(".deb") && without?.test(file) !== true)
      await run("sh", [
        "-c",
        'dpkg-deb --fsys-tarfile "$1" | tar -x --keep-directory-symlink -C "$2"',
        ...["unpack", join(downloads, file), root],
      ]);
  await rm(downloads, { recursive: true });
}

/** Node, npm, and what npm must trust on this machine. */
async function node(root: string): Promise<void> {
  const local = join(root, "usr/local");
  await mkdir(join(local, "bin"), { recursive: true });
  await cp(process.execPath, join(local, "bin/node"));
  const npm = dirname(dirname(await realpath((await run("which", ["npm"])).stdout.trim())));
  await cp(npm, join(local, "lib/node_modules/npm"), { recursive: true });
  await symlink("../lib/node_modules/npm/bin/npm-cli.js", join(local, "bin/npm"));
  await cp(join(process.env["HOME"] ?? "/", ".npmrc"), join(root, "root/.npmrc")).catch(() => {});
  for (const [name, path] of Object.entries(networkEnv()))
    if (/CERT/.test(name)) await cp(path, join(root, path), { recursive: true, dereference: true });
}

/** Makes an image of a folder, which is removed. `changes` are instructions of a Dockerfile. */
export async function importImage(
  engine: Engine,
  root: string,
  name: string,
  changes: readonly string[] = [],
): Promise<string> {
  const tar = `${root}.tar`;
  await run("tar", ["--create", "--file", tar, "--directory", root, "."]);
  const env = Object.entries({ PATH, ...networkEnv() }).map(([key, value]) => `${key}=${value}`);
  const all = [...env.map((pair) => `ENV ${pair}`), `LABEL ${LABEL}=base`, ...changes];
  const options = all.flatMap((change) => ["--change", change]);
  const { code, said } = await engine.docker(["import", ...options, tar, name]);
  await Promise.all([tar, root].map((path) => rm(path, { recursive: true, force: true })));
  if (code !== 0) throw new Error(said);
  return name;
}

import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ROOT, serviceNames, temporaryFolder } from "@tercet/cli/repository";
import { execa } from "execa";
import { expect, test } from "vitest";

const BUNDLE = join(ROOT, "scripts/bundle.ts");

/** Bundles the programs "a" and "b" of a package that consists of these files. */
async function bundled(folder: string, files: Readonly<Record<string, string>>) {
  await mkdir(join(folder, "src"), { recursive: true });
  await mkdir(join(folder, "dist"), { recursive: true });
  for (const [name, text] of Object.entries(files))
    await writeFile(join(folder, "src", name), text);
  const options = { cwd: folder, preferLocal: true, localDir: ROOT, reject: false };
  return await execa("node", [BUNDLE, "a", "b"], options);
}

const SHARED = "export const state: { n: number } = { n: 0 };";
const A = 'import { state } from "./shared.ts"; state.n++;';
const B = 'import { state } from "./shared.ts"; process.stdout.write(String(state.n));';

test("programs that are loaded together share the state of a module, and the last build's files go", async () => {
  await using folder = await temporaryFolder("bundle");
  const dist = join(folder.path, "dist");
  await mkdir(dist);
  await writeFile(join(dist, "chunk-old.js"), "");
  const { failed, stderr } = await bundled(folder.path, {
    "a.ts": A,
    "b.ts": B,
    "shared.ts": SHARED,
  });
  expect(failed, stderr).toBe(false);
  const { stdout } = await execa("node", ["--import", join(dist, "a.js"), join(dist, "b.js")]);
  expect(stdout).toBe("1");
  expect(await readdir(dist)).not.toContain("chunk-old.js");
});

test("what cannot be bundled fails, and leaves what was there", async () => {
  await using folder = await temporaryFolder("bundle");
  const files = { "a.ts": A, "b.ts": B, "shared.ts": SHARED };
  await bundled(folder.path, files);
  const before = await readdir(join(folder.path, "dist"));
  const { failed } = await bundled(folder.path, { ...files, "a.ts": 'import "./not-there.ts";' });
  expect(failed).toBe(true);
  expect(await readdir(join(folder.path, "dist"))).toEqual(before);
});

test.each(serviceNames)("%s looks for no package when it starts", async (name) => {
  const program = await readFile(join(ROOT, `packages/${name}/dist/main.js`), "utf8");
  const imports = [...program.matchAll(/^import .*?from "([^"]+)"/gm)].map(([, from]) => from);
  expect(imports).not.toEqual([]);
  expect(
    imports.filter((from) => !/^(node:|\.\/chunk-|@node-rs\/argon2$)/.test(from ?? "")),
  ).toEqual([]);
});

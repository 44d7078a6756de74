import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { execute, failedWith, type Outcome, ROOT, temporaryFolder } from "@tercet/cli/repository";

/** Of all JavaScript of the console, compressed by gzip; see docs/decisions/0091. */
const BUDGET_BYTES = 200_000;

/** Builds the console into a temporary folder and weighs its scripts. */
export async function checkConsoleSize(): Promise<Outcome> {
  await using folder = await temporaryFolder("console-size");
  const args = ["build", "--outDir", folder.path, "--logLevel", "error"];
  const { code, output } = await execute(
    join(ROOT, "packages/console/node_modules/.bin/vite"),
    args,
    join(ROOT, "packages/console"),
  );
  if (code !== 0) return { kind: "failed", output };
  const assets = join(folder.path, "assets");
  const scripts = (await readdir(assets)).filter((name) => name.endsWith(".js"));
  const sizes = await Promise.all(
    scripts.map(async (name) => gzipSync(await readFile(join(assets, name))).length),
  );
  const bytes = sizes.reduce((sum, size) => sum + size, 0);
  return failedWith(
    bytes <= BUDGET_BYTES
      ? []
      : [`the console's JavaScript is ${bytes} bytes compressed, more than ${BUDGET_BYTES}`],
  );
}

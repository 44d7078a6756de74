import { access, mkdir, mkdtemp, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { toolsFolder } from "./tools-folder.ts";

/**
 * Puts into `path`, in `toolsFolder`, what `download` makes, unless it is there. `download` is
 * given an empty folder, and resolves to what in it is to be moved.
 */
export async function downloadOnce(
  path: string,
  download: (scratch: string) => Promise<string>,
): Promise<void> {
  const isThere = await access(path).then(
    () => true,
    () => false,
  );
  if (isThere) return;
  await mkdir(toolsFolder, { recursive: true });
  const scratch = await mkdtemp(join(toolsFolder, "building-"));
  try {
    const made = await download(scratch);
    await mkdir(dirname(path), { recursive: true });
    await rename(made, path);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

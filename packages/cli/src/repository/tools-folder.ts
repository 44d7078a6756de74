import { homedir } from "node:os";
import { join } from "node:path";

const cache = process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache");

/** Where `pnpm tools` keeps what it builds, for every checkout. */
export const toolsFolder = join(cache, "tercet-tools");

/** A folder for PATH: each tool at the version that was built last. */
export const toolsBin = join(toolsFolder, "bin");

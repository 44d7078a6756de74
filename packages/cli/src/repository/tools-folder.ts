import { homedir } from "node:os";
import { join } from "node:path";

const cache = process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache");

/** Where `pnpm tools` keeps what it builds, shared by all checkouts. */
export const toolsFolder = join(cache, "tercet-tools");

/** A folder for PATH with the last version built of each tool. */
export const toolsBin = join(toolsFolder, "bin");

import { join } from "node:path";
import { cacheFolder } from "../cache-folder.ts";

/** Where `pnpm tools` keeps what it builds, shared by all checkouts. */
export const toolsFolder = cacheFolder("tercet-tools");

/** A folder for PATH with the last version built of each tool. */
export const toolsBin = join(toolsFolder, "bin");

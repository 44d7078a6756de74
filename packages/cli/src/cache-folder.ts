import { homedir } from "node:os";
import { join } from "node:path";

/** Returns a folder of the user's cache, by the rules of XDG: what is in it can be made again. */
export const cacheFolder = (name: string): string =>
  join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), name);

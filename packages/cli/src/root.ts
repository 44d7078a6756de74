import { join, resolve } from "node:path";

/** The folder of the repository, absolute; the same from `src` and from `dist`. */
export const ROOT = resolve(import.meta.dirname, "../../..");

/** Where Node keeps what it compiled, as NODE_COMPILE_CACHE, in a copy of the repository. */
export const compileCacheOf = (root: string): string => join(root, "node_modules/.cache/compiled");

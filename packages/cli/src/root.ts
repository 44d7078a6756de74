import { resolve } from "node:path";

/** The folder of the repository, absolute; the same from `src` and from `dist`. */
export const ROOT = resolve(import.meta.dirname, "../../..");

import { resolve } from "node:path";

/** The repository's folder, absolute. */
export const root = resolve(import.meta.dirname, "..");

/** The folder that drizzle-kit writes, seen from `src` and from `dist`. */
export const MIGRATIONS = new URL("../migrations/", import.meta.url);

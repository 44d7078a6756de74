export type { CommandProcess } from "./context.ts";
export { runAdmin } from "./program.ts";

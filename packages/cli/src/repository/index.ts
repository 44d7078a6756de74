/** What checks and generators share; loads nothing but Node. */

export { ROOT } from "../root.ts";
export { differences, inTemporaryFolder } from "./differences.ts";
export { command, execute, type Finished } from "./execute.ts";
export { listFiles, readTexts } from "./files.ts";
export { type Check, failedWith, type Outcome, passed } from "./outcome.ts";
export { toolsBin, toolsFolder } from "./tools-folder.ts";

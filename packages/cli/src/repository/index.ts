/** What checks and generators share; loads nothing of the services. */

export { ROOT } from "../root.ts";
export {
  recordOf,
  type ServiceDatabase,
  type ServiceEntry,
  type ServiceName,
  serviceEntry,
  serviceNames,
  services,
} from "../services.ts";
export { temporaryFolder } from "../temporary-folder.ts";
export { staleFiles } from "./differences.ts";
export { execute, isInstalled, outcomeOf } from "./execute.ts";
export { listFiles, readTexts } from "./files.ts";
export { provideMongod, provideMongosh } from "./mongod.ts";
export { type Check, failedWith, type Outcome, passed } from "./outcome.ts";
export { scriptArguments } from "./script-arguments.ts";
export { toolsBin, toolsFolder } from "./tools-folder.ts";

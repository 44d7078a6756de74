export { type Api, createApi, logIn } from "./api.ts";
export { backUp, backupFiles, restore } from "./backups.ts";
export {
  ANY_PORT,
  envToConfig,
  MANY_CALLS,
  type ServiceName,
  type StackConfig,
} from "./config.ts";
export { ensureDatabases } from "./databases.ts";
export { type DemoResult, type DemoTarget, runDemo } from "./demo-run.ts";
export { type Edge, type EdgeOptions, startEdge } from "./edge.ts";
export { StackError } from "./errors.ts";
export { placesOf } from "./places.ts";
export { startPostgres } from "./postgres.ts";
export { findRunning } from "./running.ts";
export { loadSecrets, readSecrets } from "./secrets.ts";
export {
  isReady,
  type ServiceProcess,
  type ServiceProcessOptions,
  startServiceProcess,
} from "./service-process.ts";
export { type Stack, type StackProcess, type StackUser, startStack } from "./stack.ts";
export {
  type StackExtension,
  type StartCommandOptions,
  startCommand,
} from "./start-command.ts";

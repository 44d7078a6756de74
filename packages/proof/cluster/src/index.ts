/**
 * The container engine and the box of namespaces, for tests; the cluster is a command of its own,
 * main.ts.
 */

export { type Box, endBox, runInBox, startBox, startInBox } from "./box.ts";
export {
  type Engine,
  type EngineResult,
  type Isolated,
  isRunning,
  LABEL,
  startEngine,
  whyNoEngine,
} from "./docker/engine.ts";
export { buildImages, CONSOLE_DOCKERFILE, DOCKERFILE, type Images, TAG } from "./docker/images.ts";
export { networkEnv } from "./docker/network-env.ts";
export { makePostgresImage } from "./docker/postgres-image.ts";
export { type ClusterFolder, clusterFolder } from "./folder.ts";

import { homedir } from "node:os";
import { join } from "node:path";
import { readEnv } from "@tercet/service/config";

/** Where a cluster keeps everything; disposable as a whole. */
export interface ClusterFolder {
  readonly path: string;
  /** Returns the path of something in it. */
  at(...names: readonly string[]): string;
}

const cache = (): string => readEnv()["XDG_CACHE_HOME"] ?? join(homedir(), ".cache");

export const defaultFolder = (): string => join(cache(), "tercet-cluster");

/** Images outlive a cluster: they take longer than all the rest. */
export const imagesFolder = (): string => join(cache(), "tercet-cluster-images");

export const clusterFolder = (path: string): ClusterFolder => ({
  path,
  at: (...names) => join(path, ...names),
});

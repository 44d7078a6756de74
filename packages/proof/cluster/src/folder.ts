import { join } from "node:path";
import { cacheFolder } from "@tercet/cli";

/** Where a cluster keeps everything; disposable as a whole. */
export interface ClusterFolder {
  readonly path: string;
  /** Returns the path of something in it. */
  at(...names: readonly string[]): string;
}

export const defaultFolder = (): string => cacheFolder("tercet-cluster");

/** Images outlive a cluster: they take longer than all the rest. */
export const imagesFolder = (): string => cacheFolder("tercet-cluster-images");

export const clusterFolder = (path: string): ClusterFolder => ({
  path,
  at: (...names) => join(path, ...names),
});

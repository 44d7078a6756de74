import type { Cluster } from "./cluster.ts";

/** Something that is tried in the cluster. */
export interface Check {
  readonly name: string;
  /** Resolves to a sentence about what was seen. Throws if it fails, SkippedCheck if it cannot. */
  run(cluster: Cluster): Promise<string>;
}

/** The check cannot be made here; the message says why. */
export class SkippedCheck extends Error {}

import { ROOT } from "@tercet/cli";
import type { Box } from "./box.ts";
import type { ClusterFolder } from "./folder.ts";
import { REGISTRY, TAGS } from "./images.ts";
import { runAtCluster } from "./kubectl.ts";

export const NAMESPACE = "tercet";
export const RELEASE = "tercet";
const LIMIT_MS = 240_000;

export interface DeployOptions {
  readonly signal: AbortSignal;
  readonly tag?: (typeof TAGS)[number];
  /** Options of helm. */
  readonly helm?: readonly string[];
}

/** Installs or upgrades as an operator does: by infra/scripts/helm-deploy.sh. */
export async function deploy(
  box: Box,
  folder: ClusterFolder,
  { signal, tag = TAGS[0], helm = [] }: DeployOptions,
): Promise<string> {
  const { said } = await runAtCluster(
    box,
    folder,
    [
      ...["infra/scripts/helm-deploy.sh", "dev", "--namespace", NAMESPACE, "--release", RELEASE],
      ...["--tag", tag, "--timeout", "3m", "--no-test", "--"],
      ...["--set", `global.images.from=${REGISTRY}`, ...helm],
    ],
    { signal, timeoutMs: LIMIT_MS, cwd: ROOT },
  );
  return said;
}

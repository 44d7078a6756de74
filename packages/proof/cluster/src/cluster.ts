import type { Box } from "./box.ts";
import type { ClusterFolder } from "./folder.ts";
import { getJson, kubectl, type Ran, type RunOptions, runAtCluster } from "./kubectl.ts";
import { type DeployOptions, deploy, NAMESPACE } from "./release.ts";

type Options = Omit<RunOptions, "signal">;

/** The running cluster, as checks use it: in the namespace of the release. */
export interface Cluster {
  readonly folder: ClusterFolder;
  readonly signal: AbortSignal;
  kubectl(args: readonly string[], options?: Options): Promise<Ran>;
  /** Returns what `kubectl get` finds. */
  get<T>(...args: string[]): Promise<T>;
  run(command: readonly string[], options?: Options): Promise<Ran>;
  deploy(options: Omit<DeployOptions, "signal">): Promise<string>;
  /** Resolves to the address of a Service in the cluster. */
  addressOf(service: string): Promise<string>;
  /** Resolves to the address where customers come in. */
  gateway(): Promise<string>;
}

export function openCluster(box: Box, folder: ClusterFolder, signal: AbortSignal): Cluster {
  const inNamespace = (args: readonly string[]) => [`--namespace=${NAMESPACE}`, ...args];
  const addressOf = async (service: string) => {
    const { spec } = await getJson<{ spec: { clusterIP: string } }>(
      ...([box, folder, inNamespace(["service", service]), { signal }] as const),
    );
    return spec.clusterIP;
  };
  return {
    folder,
    signal,
    kubectl: (args, options) => kubectl(box, folder, inNamespace(args), { ...options, signal }),
    get: (...args) => getJson(box, folder, inNamespace(args), { signal }),
    run: (command, options) => runAtCluster(box, folder, command, { ...options, signal }),
    deploy: (options) => deploy(box, folder, { ...options, signal }),
    addressOf,
    gateway: async () => `http://${await addressOf("kong")}:8000`,
  };
}

export interface Pod {
  readonly metadata: {
    readonly name: string;
    readonly uid: string;
    readonly deletionTimestamp?: string;
  };
  readonly spec: { readonly containers: readonly { readonly image: string }[] };
  readonly status: {
    readonly phase: string;
    readonly conditions?: readonly { readonly type: string; readonly status: string }[];
  };
}

/** Returns the pods of a service that are not being deleted. */
export async function podsOf(cluster: Cluster, name: string): Promise<Pod[]> {
  const selector = `app.kubernetes.io/name=${name}`;
  const { items } = await cluster.get<{ items: Pod[] }>("pods", `--selector=${selector}`);
  return items.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
}

export const isReady = ({ status }: Pod): boolean =>
  status.conditions?.some(({ type, status: is }) => type === "Ready" && is === "True") === true;

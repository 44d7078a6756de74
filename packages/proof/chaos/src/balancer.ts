import { setTimeout as sleep } from "node:timers/promises";
import { isReady } from "@tercet/stack";
import { startTcpProxy } from "./tcp-proxy.ts";

const PROBE_EVERY_MS = 100;
/**
 * The number of consecutive probes that must fail, as in Kubernetes. A replica must be unready for
 * longer before it closes (DRAIN_DELAY_MS).
 */
const FAILURE_THRESHOLD = 3;

/**
 * Starts one address for the replicas of a service, like kube-proxy's and Kong's: new connections
 * go to ready replicas, and existing ones stay.
 */
export async function startBalancer() {
  const proxy = await startTcpProxy();
  const over = new AbortController();
  let replicas: readonly string[] = [];
  /** Consecutive failed probes of each replica that has been ready. */
  const failures = new Map<string, number>();
  const probe = async () => {
    const probed = replicas;
    await Promise.all(
      probed.map(async (url) => {
        if (await isReady(url)) failures.set(url, 0);
        else if (failures.has(url)) failures.set(url, (failures.get(url) ?? 0) + 1);
      }),
    );
    const ready = probed.filter(
      (url) => (failures.get(url) ?? FAILURE_THRESHOLD) < FAILURE_THRESHOLD,
    );
    // `serve` may have replaced the list meanwhile; then the next probe decides.
    if (probed === replicas) proxy.to(...ready);
    return ready.length === replicas.length;
  };
  const probing = (async () => {
    while (!over.signal.aborted) {
      await probe();
      await sleep(PROBE_EVERY_MS, undefined, { signal: over.signal }).catch(() => {});
    }
  })();
  return {
    url: proxy.url,
    /** Replaces the list of replicas. Resolves when each of them is ready and gets connections. */
    serve: async (urls: readonly string[], signal: AbortSignal): Promise<void> => {
      replicas = urls;
      while (!(await probe())) await sleep(PROBE_EVERY_MS, undefined, { signal });
    },
    [Symbol.asyncDispose]: async (): Promise<void> => {
      over.abort();
      await probing;
      await proxy[Symbol.asyncDispose]();
    },
  };
}

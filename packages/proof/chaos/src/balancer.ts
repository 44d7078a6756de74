import { setTimeout as sleep } from "node:timers/promises";
import { isReady } from "@tercet/stack";
import { startTcpProxy } from "./tcp-proxy.ts";

/**
 * One address for the replicas of a service, as kube-proxy and Kong keep it: connections go to
 * those that are ready, and stay where they are.
 */
export interface Balancer extends AsyncDisposable {
  readonly url: string;
  /**
   * From now on these are the replicas; resolves when each of them is ready and gets connections.
   */
  serve(urls: readonly string[], signal: AbortSignal): Promise<void>;
}

const PROBE_EVERY_MS = 100;
/**
 * So many probes in a row must fail, as Kubernetes has it; a replica has to be unready for longer
 * before it closes (DRAIN_DELAY_MS).
 */
const FAILURE_THRESHOLD = 3;

export async function startBalancer(): Promise<Balancer> {
  const proxy = await startTcpProxy();
  const over = new AbortController();
  let replicas: readonly string[] = [];
  /** How often in a row each was not ready; of those that were once. */
  const failures = new Map<string, number>();
  const probe = async () => {
    const asked = replicas;
    await Promise.all(
      asked.map(async (url) => {
        if (await isReady(url)) failures.set(url, 0);
        else if (failures.has(url)) failures.set(url, (failures.get(url) ?? 0) + 1);
      }),
    );
    const ready = asked.filter(
      (url) => (failures.get(url) ?? FAILURE_THRESHOLD) < FAILURE_THRESHOLD,
    );
    // Meanwhile there may be others, who are asked next.
    if (asked === replicas) proxy.to(...ready);
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
    serve: async (urls, signal) => {
      replicas = urls;
      while (!(await probe())) await sleep(PROBE_EVERY_MS, undefined, { signal });
    },
    [Symbol.asyncDispose]: async () => {
      over.abort();
      await probing;
      await proxy[Symbol.asyncDispose]();
    },
  };
}

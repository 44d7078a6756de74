import { setTimeout as sleep } from "node:timers/promises";
import { isReady } from "@tercet/stack";
import { startTcpProxy } from "./tcp-proxy.ts";

/** One address for the replicas of a service, as kube-proxy and Kong keep it: connections go to those that are ready, and stay where they are. */
export interface Balancer extends AsyncDisposable {
  readonly url: string;
  /** From now on these are the replicas; resolves when each of them is ready and gets connections. */
  serve(urls: readonly string[], signal: AbortSignal): Promise<void>;
}

/** A replica must say for longer than this that it is not ready before it closes: DRAIN_DELAY_MS. */
export const PROBE_EVERY_MS = 100;

export async function startBalancer(): Promise<Balancer> {
  const proxy = await startTcpProxy();
  const over = new AbortController();
  let replicas: readonly string[] = [];
  const probe = async () => {
    const asked = replicas;
    const answers = await Promise.all(asked.map(isReady));
    const ready = asked.filter((_, index) => answers[index]);
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

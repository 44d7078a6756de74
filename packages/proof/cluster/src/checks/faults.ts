import { randomUUID } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { CommandError } from "@tercet/cli";
import type { Order } from "@tercet/gen/order/v1/order_service";
import type { Check } from "../check.ts";
import { isReady, podsOf } from "../cluster.ts";
import { NODE } from "../control-plane.ts";
import { describeLoad, underLoad } from "../load.ts";
import { isConfirmed, newCustomer } from "../shop.ts";
import { waitFor } from "../wait.ts";

const ORDERS = 12;
/** The simulated provider takes 2 s for it. */
const SLOW = "tok_slow";
const IN_THE_MIDDLE_MS = 800;
const LIMIT_MS = 90_000;

export const takeover: Check = {
  name: "a pod killed in the middle of sagas, which another takes over",
  run: async (cluster) => {
    const options = { timeoutMs: LIMIT_MS, signal: cluster.signal };
    const pods = await podsOf(cluster, "order");
    const victim = pods[0]?.metadata;
    if (victim === undefined || pods.length < 2)
      throw new CommandError(`there are ${pods.length} pods of order, and it takes two`);
    const customer = await newCustomer(await cluster.gateway());
    const requests = Array.from({ length: ORDERS }, () => randomUUID());
    const calls = requests.map((id) => customer.order(id, SLOW).catch(() => undefined));
    await sleep(IN_THE_MIDDLE_MS);
    await killProcesses(victim.uid);
    // Else its container would start anew, under the same name.
    await cluster.kubectl(["delete", "pod", victim.name, "--grace-period=0", "--force"]);
    const answers = await Promise.all(calls);
    const broken = answers.filter((answer) => answer === undefined).length;
    const orders: Order[] = [];
    for (const id of requests)
      orders.push(
        await waitFor(
          `the order of request ${id} was not confirmed`,
          async () => {
            // The same request again returns the same order.
            const order = await customer.find((await customer.order(id, SLOW)).id);
            return isConfirmed(order) && order;
          },
          options,
        ),
      );
    const workers = orders.map(({ timeline }) => new Set(timeline.map(({ worker }) => worker)));
    const taken = workers.filter(({ size }) => size > 1).length;
    if (taken === 0)
      throw new CommandError(`${broken} calls broke off, and no saga changed its worker`);
    await waitFor(
      "the pod was not replaced",
      async () => (await podsOf(cluster, "order")).filter(isReady).length >= pods.length,
      options,
    );
    return `${ORDERS} of ${ORDERS} orders CONFIRMED; ${broken} calls broke off, ${taken} sagas were taken over`;
  },
};

/**
 * Kills what runs in a pod, without a signal before. By `kubectl delete --force` a container still
 * has two seconds to end in order.
 */
async function killProcesses(uid: string): Promise<void> {
  let killed = 0;
  for (const id of await readdir("/proc")) {
    if (!/^\d+$/.test(id)) continue;
    const groups = await readFile(`/proc/${id}/cgroup`, "utf8").catch(() => "");
    const name = await readFile(`/proc/${id}/comm`, "utf8").catch(() => "");
    // Not the sandbox, with which the network would go.
    if (!groups.includes(uid) || name === "sleep\n") continue;
    process.kill(Number(id), "SIGKILL");
    killed += 1;
  }
  if (killed === 0) throw new CommandError(`no process of pod ${uid} was found`);
}

const DRAIN_SECONDS = 12;

/**
 * With one node, evicted pods have no place: the budget must keep the last replica of each service,
 * and orders must go on.
 */
export const drain: Check = {
  name: "a drain of the node, as far as the disruption budget lets it",
  run: async (cluster) => {
    const before = await podsOf(cluster, "order");
    let refused = "";
    const load = await underLoad(await cluster.gateway(), cluster.signal, async () => {
      try {
        const { code, said } = await cluster.kubectl(
          [
            ...["drain", NODE, "--pod-selector=app.kubernetes.io/name=order"],
            ...["--delete-emptydir-data", `--timeout=${DRAIN_SECONDS}s`],
          ],
          { allowFailure: true },
        );
        refused = said;
        if (code === 0) throw new CommandError("the drain took every replica of order");
      } finally {
        await cluster.kubectl(["uncordon", NODE]);
      }
      const kept = (await podsOf(cluster, "order")).filter(
        (pod) => before.some(({ metadata }) => metadata.uid === pod.metadata.uid) && isReady(pod),
      );
      if (!refused.includes("disruption budget") || kept.length === 0)
        throw new CommandError(`${kept.length} replicas were kept: ${refused}`);
      await waitFor(
        "the evicted pod was not replaced",
        async () => (await podsOf(cluster, "order")).filter(isReady).length >= before.length,
        { timeoutMs: LIMIT_MS, signal: cluster.signal },
      );
    });
    return `one of ${before.length} pods was evicted, the other kept; ${describeLoad(load)}; not shown, with one node: that pods move to another`;
  },
};

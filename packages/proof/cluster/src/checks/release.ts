import { randomUUID } from "node:crypto";
import { CommandError, onPath, ROOT, serviceNames } from "@tercet/cli";
import { OrderStatus } from "@tercet/gen/order/v1/order_service";
import type { Check } from "../check.ts";
import { type Cluster, podsOf } from "../cluster.ts";
import { REGISTRY, TAGS } from "../images.ts";
import { describeLoad, underLoad } from "../load.ts";
import { NAMESPACE, RELEASE } from "../release.ts";
import { isConfirmed, newCustomer } from "../shop.ts";

/** More than one replica of what is killed and drained; backups. */
const GROWN = ["order.replicas=2", ...serviceNames.map((name) => `${name}.backup.enabled=true`)];

export const helmTest: Check = {
  name: "helm test",
  run: async (cluster) => {
    const { said } = await cluster.run(
      ["helm", "test", RELEASE, `--namespace=${NAMESPACE}`, "--logs", "--timeout=2m"],
      { timeoutMs: 150_000 },
    );
    const lines = said.split("\n").filter((line) => /SERVING|CONFIRMED/.test(line));
    return lines.map((line) => line.trim()).join("; ");
  },
};

export const smoke: Check = {
  name: "an order through the gateway, by JSON and gRPC",
  run: async (cluster) => {
    const address = await cluster.addressOf("kong");
    const grpc = (await onPath("grpcurl")) === undefined ? "" : `${address}:9080`;
    const { stdout } = await cluster.run(["infra/scripts/smoke.sh", `http://${address}:8000`], {
      cwd: ROOT,
      env: { GRPC_TARGET: grpc },
    });
    return stdout.trim().split("\n").at(-1) ?? "";
  },
};

/** The Secrets with their values, which an upgrade must not change. */
const secretsOf = async (cluster: Cluster): Promise<string> => {
  const { items } = await cluster.get<{
    items: { metadata: { name: string }; type: string; data: object }[];
  }>("secrets");
  const ours = items.filter(({ type }) => type === "Opaque");
  return JSON.stringify(ours.map(({ metadata, data }) => [metadata.name, data]));
};

/** Expects work under load to replace every pod by one of this tag, and nothing else. */
async function replaced(
  cluster: Cluster,
  tag: string,
  work: () => Promise<unknown>,
): Promise<string> {
  const before = await secretsOf(cluster);
  const load = await underLoad(await cluster.gateway(), cluster.signal, work);
  await expectTag(cluster, tag);
  if ((await secretsOf(cluster)) !== before) throw new CommandError("Secrets have changed");
  return `${describeLoad(load)}; Secrets kept`;
}

export const upgrade: Check = {
  name: "a rolling upgrade of all services under load",
  run: (cluster) => {
    const helm = ["--set", GROWN.join(",")];
    return replaced(cluster, TAGS[1], () => cluster.deploy({ tag: TAGS[1], helm }));
  },
};

export const rollback: Check = {
  name: "helm rollback under load",
  run: (cluster) => {
    const command = ["helm", "rollback", RELEASE, `--namespace=${NAMESPACE}`];
    return replaced(cluster, TAGS[0], () =>
      cluster.run([...command, "--wait", "--timeout=3m"], { timeoutMs: 200_000 }),
    );
  },
};

/** Secrets and volumes outlive a release. */
export const reinstall: Check = {
  name: "helm uninstall and install, on the volumes and Secrets that are kept",
  run: async (cluster) => {
    const before = await secretsOf(cluster);
    const customer = await newCustomer(await cluster.gateway());
    const { id } = await customer.order(randomUUID());
    const uninstall = ["helm", "uninstall", RELEASE, `--namespace=${NAMESPACE}`];
    await cluster.run([...uninstall, "--wait", "--timeout=2m"], { timeoutMs: 150_000 });
    await cluster.deploy({});
    if ((await secretsOf(cluster)) !== before) throw new CommandError("Secrets were made anew");
    const order = await customer.at(await cluster.gateway()).find(id);
    if (!isConfirmed(order)) throw new CommandError(`order ${id} is ${OrderStatus[order.status]}`);
    return "an order from before is found, with a token from before";
  },
};

async function expectTag(cluster: Cluster, tag: string): Promise<void> {
  for (const name of serviceNames)
    for (const { metadata, spec } of await podsOf(cluster, name))
      if (spec.containers[0]?.image !== `${REGISTRY}/${name}:${tag}`)
        throw new CommandError(`${metadata.name} runs ${spec.containers[0]?.image}`);
}

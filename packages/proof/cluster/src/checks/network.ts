import { randomUUID } from "node:crypto";
import { CommandError } from "@tercet/cli";
import type { Check } from "../check.ts";
import type { Cluster } from "../cluster.ts";
import { REGISTRY, TAGS } from "../images.ts";
import { waitFor } from "../wait.ts";

/** From, to, port. What is not here is forbidden. */
const ALLOWED: readonly (readonly [string, string, number])[] = [
  ["kong", "identity", 5010],
  ["kong", "order", 5011],
  ["kong", "console", 8080],
  ["order", "payment", 5012],
  ["order", "identity", 5010],
  ["payment", "identity", 5010],
  ["identity", "identity-postgres", 5432],
  ["order", "order-postgres", 5432],
  ["payment", "payment-mongodb", 27017],
  ["order", "collector", 4318],
  ["stranger", "kong", 8000],
];
const FORBIDDEN: readonly (readonly [string, string, number])[] = [
  ["kong", "order-postgres", 5432],
  ["kong", "payment-mongodb", 27017],
  ["identity", "order", 5011],
  ["identity", "payment", 5012],
  ["payment", "order", 5011],
  ["order", "identity-postgres", 5432],
  ["order", "payment-mongodb", 27017],
  ["payment", "order-postgres", 5432],
  ["order", "kubernetes.default.svc", 443],
  ["stranger", "order", 5011],
  ["stranger", "identity-postgres", 5432],
];

const STRANGER = "stranger";
/** Namespaces take a while to go, and a name of one that goes cannot be used. */
const OTHER_NAMESPACE = `elsewhere-${randomUUID().slice(0, 8)}`;
const DIAL_MS = 6_000;

export const networkPolicies: Check = {
  name: "NetworkPolicies: allowed and forbidden connections",
  run: async (cluster) => {
    await startStranger(cluster);
    try {
      const problems = await Promise.all([
        ...ALLOWED.map(async ([from, to, port]) =>
          (await connects(cluster, from, to, port)) ? [] : `${from} does not reach ${to}:${port}`,
        ),
        ...FORBIDDEN.map(async ([from, to, port]) =>
          (await connects(cluster, from, to, port)) ? `${from} reaches ${to}:${port}` : [],
        ),
      ]);
      if (problems.flat().length > 0) throw new CommandError(problems.flat().join("; "));
    } finally {
      await cluster.kubectl(["delete", "namespace", OTHER_NAMESPACE, "--wait=false"]);
    }
    return `${ALLOWED.length} of ${ALLOWED.length} allowed, ${FORBIDDEN.length} of ${FORBIDDEN.length} forbidden`;
  },
};

/** A pod of another namespace, without policies. */
async function startStranger(cluster: Cluster): Promise<void> {
  await cluster.kubectl(["create", "namespace", OTHER_NAMESPACE]);
  const image = `--image=${REGISTRY}/identity:${TAGS[0]}`;
  const sleep = ["--command", "--", "node", "--eval", "setTimeout(() => {}, 600_000)"];
  const run = async () =>
    (
      await cluster.kubectl(
        [`--namespace=${OTHER_NAMESPACE}`, "run", STRANGER, image, "--restart=Never", ...sleep],
        { allowFailure: true },
      )
    ).code === 0;
  // Its ServiceAccount is made a moment after the namespace.
  await waitFor("no pod could be made", run, { timeoutMs: 15_000, signal: cluster.signal });
  await cluster.kubectl([
    ...[`--namespace=${OTHER_NAMESPACE}`, "wait", `pod/${STRANGER}`],
    ...["--for=condition=Ready", "--timeout=30s"],
  ]);
}

async function connects(
  cluster: Cluster,
  from: string,
  to: string,
  port: number,
): Promise<boolean> {
  const host = from === STRANGER ? `${to}.tercet` : to;
  const dial = `require("net").connect(${port}, "${host}").on("connect", () => process.exit(0))
    .on("error", () => process.exit(3)); setTimeout(() => process.exit(4), ${DIAL_MS})`;
  const target =
    from === STRANGER
      ? [`--namespace=${OTHER_NAMESPACE}`, "exec", STRANGER]
      : ["exec", `deployment/${from}`];
  const { code, said } = await cluster.kubectl([...target, "--", "node", "--eval", dial], {
    allowFailure: true,
  });
  if (code === 0) return true;
  // Anything else is no verdict of the network.
  if (!/exit code [34]/.test(said)) throw new CommandError(`${from}: ${said}`);
  return false;
}

import { type K8sObject, ofKind, type Pod, podsOf, type Selector, selects } from "./k8s-objects.ts";

interface Peer {
  readonly podSelector?: Selector;
  readonly namespaceSelector?: Selector;
  readonly ipBlock?: { readonly cidr: string };
}

/** Of a NetworkPolicy; without peers it is for everyone, without ports for every port. */
interface Rule {
  readonly ports?: readonly { readonly port: number }[];
  readonly from?: readonly Peer[];
  readonly to?: readonly Peer[];
}

interface Policy {
  readonly podSelector: Selector;
  readonly policyTypes?: readonly string[];
  readonly ingress?: readonly Rule[];
  readonly egress?: readonly Rule[];
}

export interface Network {
  /**
   * Allowed connections: "order -> payment:5012". Between pods only if both policies allow them.
   */
  readonly ways: readonly string[];
  /** Connections allowed at one end only, and pods without a policy in some direction. */
  readonly problems: readonly string[];
}

const ANYONE = "anyone";

/** Returns what the NetworkPolicies of these manifests allow, in a namespace of their own. */
export function networkOf(objects: readonly K8sObject[]): Network {
  const pods = podsOf(objects);
  const policies = ofKind(objects, "NetworkPolicy").map(({ spec }) => spec as Policy);
  const going = new Set(pods.flatMap((pod) => waysOut(pod, policies, pods)));
  const coming = new Set(pods.flatMap((pod) => waysIn(pod, policies, pods)));
  const names = new Set(pods.map(({ name }) => name));
  const isInside = (way: string) =>
    way.split(" -> ").every((end) => names.has(end.split(":")[0] ?? ""));
  const isLetIn = (way: string) =>
    coming.has(way) || coming.has(way.replace(/^.* -> /, `${ANYONE} -> `));
  const both = [...going].filter(isLetIn);
  const outside = [...going, ...coming].filter((way) => !isInside(way));
  const oneSided = [
    ...[...going].filter((way) => !isLetIn(way)),
    ...[...coming].filter((way) => !going.has(way)),
  ].filter(isInside);
  return {
    ways: [...new Set([...both, ...outside])].sort(),
    problems: [
      ...uncovered(pods, policies),
      ...oneSided.map((way) => `NetworkPolicy: ${way} is allowed at one end only`),
    ],
  };
}

/** Pods without a policy are open. A policy for all pods also isolates those that are added. */
function uncovered(pods: readonly Pod[], policies: readonly Policy[]): string[] {
  const directions = ["Ingress", "Egress"] as const;
  const isDenial = (policy: Policy, direction: (typeof directions)[number]) =>
    Object.keys(policy.podSelector).length === 0 &&
    policy.policyTypes?.includes(direction) &&
    policy.ingress === undefined &&
    policy.egress === undefined;
  return directions.flatMap((direction) => {
    const isolating = policies.filter(({ policyTypes }) => policyTypes?.includes(direction));
    const open = pods.filter((pod) => policiesOf(pod, isolating).length === 0);
    const isDefault = policies.some((policy) => isDenial(policy, direction));
    return [
      ...(isDefault ? [] : [`NetworkPolicy: nothing denies ${direction} by default`]),
      ...open.map(({ of }) => `${of}: no NetworkPolicy limits its ${direction}`),
    ];
  });
}

function waysOut(pod: Pod, policies: readonly Policy[], pods: readonly Pod[]): string[] {
  const rules = policiesOf(pod, policies).flatMap(({ egress = [] }) => egress);
  return rules.flatMap(({ to, ports }) =>
    portsOf(ports).flatMap((port) =>
      namesOf(
        to,
        pods.filter((other) => opens(other, port)),
      ).map((name) => `${pod.name} -> ${name}:${port}`),
    ),
  );
}

function waysIn(pod: Pod, policies: readonly Policy[], pods: readonly Pod[]): string[] {
  const rules = policiesOf(pod, policies).flatMap(({ ingress = [] }) => ingress);
  return rules.flatMap(({ from, ports }) =>
    portsOf(ports)
      .filter((port) => opens(pod, port))
      .flatMap((port) => namesOf(from, pods).map((name) => `${name} -> ${pod.name}:${port}`)),
  );
}

const policiesOf = ({ labels }: Pod, policies: readonly Policy[]): Policy[] =>
  policies.filter(({ podSelector }) => selects(podSelector, labels));

/** Returns the pods that the peers are, and a description of each peer outside of the namespace. */
const namesOf = (peers: readonly Peer[] = [], pods: readonly Pod[]): string[] =>
  peers.length === 0
    ? [ANYONE]
    : peers.flatMap((peer) =>
        isLocal(peer)
          ? pods
              .filter(({ labels }) => selects(peer.podSelector ?? {}, labels))
              .map(({ name }) => name)
          : [describe(peer)],
      );

const portsOf = (ports: Rule["ports"]): (number | "*")[] =>
  ports === undefined ? ["*"] : ports.map(({ port }) => port);

const opens = ({ containers }: Pod, port: number | "*"): boolean =>
  port === "*" ||
  containers.some(({ ports = [] }) => ports.some(({ containerPort }) => containerPort === port));

const isLocal = ({ namespaceSelector, ipBlock }: Peer): boolean =>
  namespaceSelector === undefined && ipBlock === undefined;

function describe({ namespaceSelector, podSelector, ipBlock }: Peer): string {
  if (ipBlock !== undefined) return ipBlock.cidr;
  const labels = { ...namespaceSelector?.matchLabels, ...podSelector?.matchLabels };
  return `[${Object.values(labels).join(" ")}]`;
}

import { networkOf } from "./k8s-network.ts";
import {
  type Container,
  type K8sObject,
  nameOf,
  ofKind,
  type Pod,
  podsOf,
  selects,
} from "./k8s-objects.ts";

/**
 * Returns the problems that kubeconform cannot see: every pod must be confined, bounded, probed and
 * reachable by its callers only; secrets must be in Secrets. By hand, the pod rules too:
 * kube-linter is not to be fetched from the Go module proxy.
 */
export function policyProblems(objects: readonly K8sObject[]): string[] {
  const pods = podsOf(objects);
  return [
    ...pods.flatMap((pod) => [
      ...podProblems(pod),
      ...pod.containers.flatMap((container) => containerProblems(pod, container)),
    ]),
    ...ofKind(objects, "Deployment").flatMap((deployment) =>
      deploymentProblems(deployment, objects),
    ),
    ...ofKind(objects, "Service").flatMap((service) => serviceProblems(service, pods)),
    ...ofKind(objects, "ConfigMap").flatMap(({ metadata, data = {} }) =>
      openSecrets(`ConfigMap ${metadata.name}`, data),
    ),
    ...missingConfigMaps(pods, objects),
    ...networkOf(objects).problems,
  ];
}

/** Returns the rules that do not hold. */
const broken = (where: string, rules: Readonly<Record<string, boolean>>): string[] =>
  Object.entries(rules).flatMap(([rule, holds]) => (holds ? [] : [`${where}: ${rule}`]));

const VOLUMES = [
  "configMap",
  "csi",
  "downwardAPI",
  "emptyDir",
  "ephemeral",
  "persistentVolumeClaim",
  "projected",
  "secret",
];

/** The pod part of the restricted Pod Security Standard, and no token that is not used. */
function podProblems({ of, spec, kind }: Pod): string[] {
  const { securityContext: security = {}, volumes = [] } = spec;
  const kinds = volumes.flatMap((volume: Record<string, unknown>) =>
    Object.keys(volume).filter((key) => key !== "name"),
  );
  return broken(of, {
    "runs as a user with a number, who is not root":
      security.runAsNonRoot === true && security.runAsUser > 0,
    "has the runtime's seccomp profile": security.seccompProfile?.type === "RuntimeDefault",
    "shares nothing with its host": !spec.hostNetwork && !spec.hostPID && !spec.hostIPC,
    "has only volumes that are allowed": kinds.every((kind: string) => VOLUMES.includes(kind)),
    "gets no token for the Kubernetes API": spec.automountServiceAccountToken === false,
    "gets no variables from other Services": spec.enableServiceLinks === false,
    "ends, when it is a task":
      !(kind === "Job" || kind === "Pod") || spec.restartPolicy === "Never",
  });
}

function containerProblems(pod: Pod, container: Container): string[] {
  const { securityContext: security = {}, resources, image, ports = [], env = [] } = container;
  const where = `${pod.of}, container ${container.name}`;
  const literals = Object.fromEntries(
    env.flatMap(({ name, value }) => (value === undefined ? [] : [[name, value]])),
  );
  const bounded = (what: "requests" | "limits") =>
    resources?.[what]?.["cpu"] !== undefined && resources[what]?.["memory"] !== undefined;
  return [
    ...broken(where, {
      "cannot gain privileges":
        security.allowPrivilegeEscalation === false && security.privileged !== true,
      "has no capabilities":
        security.capabilities?.drop?.includes("ALL") === true &&
        security.capabilities.add === undefined,
      "keeps the user and profile of its pod": [
        "runAsUser",
        "runAsNonRoot",
        "seccompProfile",
        "procMount",
      ].every((key) => !(key in security)),
      "has a read-only root": security.readOnlyRootFilesystem === true,
      "takes no port of its host": ports.every(({ hostPort }) => hostPort === undefined),
      "requests CPU and memory": bounded("requests"),
      "has limits of CPU and memory": bounded("limits"),
      "has an image of one version":
        /@sha256:[0-9a-f]{64}$|:[^:/]+$/.test(image) && !image.endsWith(":latest"),
    }),
    ...openSecrets(where, literals),
    ...(isTask(pod) ? [] : probeProblems(where, container)),
  ];
}

const isTask = ({ kind }: Pod): boolean => kind === "Job" || kind === "Pod" || kind === "CronJob";

/**
 * Our grpc.health.v1 and /health/ready include the database. Restarting a service because its
 * database is down would not help.
 */
function probeProblems(
  where: string,
  { startupProbe, livenessProbe, readinessProbe }: Container,
): string[] {
  return broken(where, {
    "has probes for start, life and readiness": [startupProbe, livenessProbe, readinessProbe].every(
      (probe) => probe !== undefined,
    ),
    "is alive without its database":
      livenessProbe?.grpc === undefined && livenessProbe?.httpGet?.path !== "/health/ready",
  });
}

const COMPONENT = "app.kubernetes.io/component";
/** Seconds after the last call: hand over sagas, close, send the last logs and spans. */
const AFTER_DRAIN_S = 5;

function deploymentProblems(deployment: K8sObject, objects: readonly K8sObject[]): string[] {
  const { spec } = deployment;
  const where = nameOf(deployment);
  const { metadata, spec: pod } = spec.template;
  const scaler = ofKind(objects, "HorizontalPodAutoscaler").find(
    (one) => one.spec.scaleTargetRef.name === deployment.metadata.name,
  );
  const atLeast: number = scaler?.spec.minReplicas ?? spec.replicas ?? 1;
  const budgets = ofKind(objects, "PodDisruptionBudget").filter((budget) =>
    selects(budget.spec.selector, metadata.labels),
  );
  return [
    ...broken(where, {
      "is replaced without a gap": spec.strategy?.rollingUpdate?.maxUnavailable === 0,
      "begins with as many replicas as its scaler allows":
        scaler === undefined ||
        spec.replicas === undefined ||
        (spec.replicas >= scaler.spec.minReplicas && spec.replicas <= scaler.spec.maxReplicas),
      "scales by rules":
        scaler === undefined ||
        (scaler.spec.behavior !== undefined && scaler.spec.maxReplicas >= scaler.spec.minReplicas),
      "has one budget when it has replicas, none when it has one":
        budgets.length === (atLeast > 1 ? 1 : 0),
      "can lose one replica, but not all": budgets.every(
        ({ spec: { maxUnavailable } }) => maxUnavailable >= 1 && maxUnavailable < atLeast,
      ),
      "is spread": atLeast === 1 || pod.topologySpreadConstraints?.length > 0,
    }),
    ...(metadata.labels[COMPONENT] === "service" ? drainProblems(where, pod, objects) : []),
  ];
}

function drainProblems(where: string, pod: Pod["spec"], objects: readonly K8sObject[]): string[] {
  const [{ lifecycle, envFrom = [] }] = pod.containers;
  const configMaps = envFrom.flatMap(
    ({ configMapRef }: { configMapRef?: { name: string } }) => configMapRef?.name ?? [],
  );
  const env = Object.assign(
    {},
    ...ofKind(objects, "ConfigMap")
      .filter(({ metadata }) => configMaps.includes(metadata.name))
      .map(({ data }) => data),
  );
  const preStop: number = lifecycle?.preStop?.sleep?.seconds ?? 0;
  const drain = (Number(env.DRAIN_DELAY_MS) + Number(env.DRAIN_TIMEOUT_MS)) / 1_000;
  return broken(where, {
    "serves on while endpoints are taken out": preStop > 0,
    "has the time that its drain takes":
      pod.terminationGracePeriodSeconds >= preStop + drain + AFTER_DRAIN_S,
  });
}

function serviceProblems(service: K8sObject, pods: readonly Pod[]): string[] {
  const { selector, ports } = service.spec as {
    selector: Record<string, string>;
    ports: { targetPort: number | string }[];
  };
  const behind = pods.filter(({ labels }) => selects({ matchLabels: selector }, labels));
  const open = behind.flatMap(({ containers }) =>
    containers.flatMap((container) => container.ports ?? []),
  );
  const isOpen = (target: number | string) =>
    open.some(({ name, containerPort }) => name === target || containerPort === target);
  return broken(nameOf(service), {
    "is of one workload": behind.length === 1,
    "leads to ports that are open": ports.every(({ targetPort }) => isOpen(targetPort)),
  });
}

const SECRET_NAME = /SECRET|PASSWORD|SIGNING_KEYS|DATABASE_URL|CREDENTIALS/;
/** A password in a URL, a private key in PEM or as a JSON Web Key. */
const SECRET_VALUE = /:\/\/[^/\s:@]*:[^/\s@]+@|-----BEGIN [A-Z ]*PRIVATE KEY|"d":\s*"/;

function openSecrets(where: string, values: Readonly<Record<string, string>>): string[] {
  const open = Object.entries(values).filter(
    ([name, value]) => SECRET_NAME.test(name) || SECRET_VALUE.test(value),
  );
  return open.map(([name]) => `${where}: ${name} belongs into a Secret`);
}

function missingConfigMaps(pods: readonly Pod[], objects: readonly K8sObject[]): string[] {
  const there = new Set(ofKind(objects, "ConfigMap").map(({ metadata }) => metadata.name));
  return pods.flatMap(({ of, spec, containers }) => {
    const inVolumes = (spec.volumes ?? []).flatMap(
      ({ configMap }: { configMap?: { name: string } }) => configMap?.name ?? [],
    );
    const inEnv = containers.flatMap(({ envFrom = [] }) =>
      envFrom.flatMap(({ configMapRef }) => configMapRef?.name ?? []),
    );
    return [...inVolumes, ...inEnv]
      .filter((name) => !there.has(name))
      .map((name) => `${of}: there is no ConfigMap ${name}`);
  });
}

import { glob, readFile } from "node:fs/promises";
import { join } from "node:path";
import { isInstalled, ROOT, serviceNames, services } from "@tercet/cli/repository";
import { expect, test } from "vitest";
import { installations, openCharts } from "./helm.ts";
import { networkOf } from "./k8s-network.ts";
import { type K8sObject, ofKind, parseManifests } from "./k8s-objects.ts";
import { policyProblems } from "./k8s-policy.ts";
import { buildOverlays } from "./overlays.ts";

const helm = await isInstalled("helm");
const kustomize = await isInstalled("kustomize");
if (!helm) process.stderr.write("WITHOUT helm: charts/ are not rendered or checked\n");
if (!kustomize) process.stderr.write("WITHOUT kustomize: overlays are not checked\n");

/** What is committed. */
async function golden(folders = "{base,databases}"): Promise<K8sObject[]> {
  const texts: string[] = [];
  for await (const path of glob(`infra/k8s/${folders}/*-*.yaml`, { cwd: ROOT }))
    texts.push(await readFile(join(ROOT, path), "utf8"));
  return texts.flatMap(parseManifests);
}

const dns = (...names: string[]) => names.map((name) => `${name} -> [kube-system kube-dns]:53`);
const addresses = services.map(({ name, port }) => `${name}:${port}`);

/** Every service fetches Identity's keys. */
const calls = (suffix = "") => [
  ...serviceNames
    .filter((name) => name !== "identity")
    .map((name) => `${name}${suffix} -> identity:5010`),
  `order${suffix} -> payment:5012`,
];

/** Everything that may go over the network, where the databases are elsewhere. */
const ways = [
  "anyone -> kong:8000",
  "anyone -> kong:9080",
  ...addresses.map((address) => `kong -> ${address}`),
  "kong -> console:8080",
  ...calls(),
  ...[...serviceNames, "kong"].map((name) => `${name} -> collector:4318`),
  "collector -> [observability]:4317",
  "[observability] -> collector:8888",
  "[observability] -> collector:8889",
  "[observability] -> kong:8100",
  ...dns(...serviceNames, "kong", "collector"),
];
const onPostgres = serviceNames.filter((name) => name !== "payment");
const databasesElsewhere = (suffix = "") => [
  ...onPostgres.map((name) => `${name}${suffix} -> [databases ${name}]:5432`),
  `payment${suffix} -> [databases payment-svc]:27017`,
];
const databasesHere = [
  ...onPostgres.map((name) => `${name} -> ${name}-postgres:5432`),
  "payment -> payment-mongodb:27017",
];
/** Migrations are under the policy of their service, so they may call what it may call. */
const migrations = [
  ...databasesElsewhere("-migrate"),
  ...calls("-migrate"),
  ...serviceNames.map((name) => `${name}-migrate -> collector:4318`),
  ...dns(...serviceNames.map((name) => `${name}-migrate`)),
];
const tests = (...names: string[]) => [
  ...names.flatMap((name) =>
    [...addresses, "kong:8000"].map((service) => `tercet-test-${name} -> ${service}`),
  ),
  ...dns(...names.map((name) => `tercet-test-${name}`)),
];

const expected: Readonly<Record<string, readonly string[]>> = {
  "charts: default": [...ways, ...databasesElsewhere(), ...migrations, ...tests("health")],
  "charts: prod": [...ways, ...databasesElsewhere(), ...migrations, ...tests("health")],
  "charts: dev": [...ways, ...databasesHere, ...tests("health", "order")],
  "overlay: prod": [...ways, ...databasesElsewhere()],
  "overlay: dev": [...ways, ...databasesHere],
};

async function charts(): Promise<[string, K8sObject[]][]> {
  await using opened = await openCharts();
  const rendered: [string, K8sObject[]][] = [];
  for (const { name, values } of await installations())
    rendered.push([`charts: ${name}`, parseManifests(await opened.template(values))]);
  return rendered;
}

async function overlays(): Promise<[string, K8sObject[]][]> {
  return [...(await buildOverlays())].map(([name, text]) => [
    `overlay: ${name}`,
    parseManifests(text),
  ]);
}

test.skipIf(!helm)(
  "what charts/ make of every values file keeps the policy, and lets through what it must and nothing else",
  async () => {
    const rendered = await charts();
    expect(rendered.map(([name]) => name)).toEqual([
      "charts: default",
      "charts: dev",
      "charts: prod",
    ]);
    for (const [name, objects] of rendered) keepsThePolicy(name, objects);
  },
);

test.skipIf(!helm)("a provider outside is one way more, and nothing else", async () => {
  await using opened = await openCharts();
  const provider = [{ port: 443, to: [{ ipBlock: { cidr: "203.0.113.0/24" } }] }];
  const objects = parseManifests(
    await opened.template(
      [],
      "--set-json",
      `payment.networkPolicy.calleesElsewhere=${JSON.stringify(provider)}`,
    ),
  );
  const more = networkOf(objects).ways.filter((way) => !expected["charts: default"]?.includes(way));
  expect(more).toEqual(["payment -> 203.0.113.0/24:443", "payment-migrate -> 203.0.113.0/24:443"]);
});

test.skipIf(!helm)("a backup reaches the database of its service alone", async () => {
  await using opened = await openCharts();
  const on = serviceNames.flatMap((name) => ["--set", `${name}.backup.enabled=true`]);
  const backups = [
    ...databasesElsewhere("-backup"),
    ...dns(...serviceNames.map((name) => `${name}-backup`)),
  ];
  const elsewhere = parseManifests(await opened.template([], ...on));
  expect(policyProblems(elsewhere)).toEqual([]);
  expect(networkOf(elsewhere).ways).toEqual(
    [...(expected["charts: default"] ?? []), ...backups].sort(),
  );
  const jobs = elsewhere.filter(({ kind }) => kind === "CronJob");
  expect(jobs.map(({ metadata }) => metadata.name).sort()).toEqual(
    serviceNames.map((name) => `${name}-backup`).sort(),
  );
  // Passwords are in a variable, from the Secret.
  expect(JSON.stringify(jobs)).not.toMatch(/postgres:|mongodb:/);
  const dev = (await installations()).find(({ name }) => name === "dev");
  const here = networkOf(parseManifests(await opened.template(dev?.values ?? [], ...on))).ways;
  expect(here).toEqual(expect.arrayContaining(["order-backup -> order-postgres:5432"]));
  expect(here).toEqual(expect.arrayContaining(["payment-backup -> payment-mongodb:27017"]));
});

test.skipIf(!kustomize)("so does every overlay", async () => {
  const built = await overlays();
  expect(built.map(([name]) => name)).toEqual(["overlay: dev", "overlay: prod"]);
  for (const [name, objects] of built) keepsThePolicy(name, objects);
});

function keepsThePolicy(name: string, objects: readonly K8sObject[]): void {
  expect(policyProblems(objects), name).toEqual([]);
  expect(networkOf(objects).ways, name).toEqual([...(expected[name] ?? [])].sort());
}

test("so does what is committed", async () => {
  const objects = await golden("base");
  // `kubectl apply` would undo what a scaler has set.
  const scaled = ofKind(objects, "HorizontalPodAutoscaler").map(({ metadata }) => metadata.name);
  expect(scaled.length).toBe(serviceNames.length);
  for (const { metadata, spec } of ofKind(objects, "Deployment"))
    if (scaled.includes(metadata.name)) expect(spec.replicas, metadata.name).toBeUndefined();
  expect(objects.length).toBeGreaterThan(30);
  expect(policyProblems(objects)).toEqual([]);
});

// biome-ignore lint/suspicious/noExplicitAny: a mutant may be anything.
type Mutable = any;
type Mutation = (find: (name: string) => Mutable, objects: Mutable[]) => void;

const order = (find: Parameters<Mutation>[0]) => find("Deployment order").spec.template.spec;
const container = (find: Parameters<Mutation>[0]) => order(find).containers[0];
const remove = (objects: Mutable[], name: string) => {
  const index = objects.findIndex(({ kind, metadata }) => `${kind} ${metadata.name}` === name);
  expect(index, name).toBeGreaterThanOrEqual(0);
  objects.splice(index, 1);
};

/** Changes of a manifest, and the problem that each must cause. */
const mutants: Readonly<Record<string, readonly [Mutation, string]>> = {
  "the pod's securityContext is dropped": [
    (find) => delete order(find).securityContext,
    "Deployment order: runs as a user with a number, who is not root",
  ],
  "root in the pod": [
    (find) => (order(find).securityContext.runAsUser = 0),
    "Deployment order: runs as a user with a number, who is not root",
  ],
  "no seccomp profile": [
    (find) => delete order(find).securityContext.seccompProfile,
    "Deployment order: has the runtime's seccomp profile",
  ],
  "the container's securityContext is dropped": [
    (find) => delete container(find).securityContext,
    "Deployment order, container order: cannot gain privileges",
  ],
  privileged: [
    (find) => (container(find).securityContext.privileged = true),
    "Deployment order, container order: cannot gain privileges",
  ],
  "a capability is added": [
    (find) => (container(find).securityContext.capabilities.add = ["NET_ADMIN"]),
    "Deployment order, container order: has no capabilities",
  ],
  "root in the container": [
    (find) => (container(find).securityContext.runAsUser = 0),
    "Deployment order, container order: keeps the user and profile of its pod",
  ],
  "a writable root": [
    (find) => delete container(find).securityContext.readOnlyRootFilesystem,
    "Deployment order, container order: has a read-only root",
  ],
  "an init container without anything": [
    (find) => (order(find).initContainers = [{ name: "init", image: "busybox:1.37" }]),
    "Deployment order, container init: cannot gain privileges",
  ],
  "a path of the host": [
    (find) => order(find).volumes.push({ name: "host", hostPath: { path: "/" } }),
    "Deployment order: has only volumes that are allowed",
  ],
  "the host's network": [
    (find) => (order(find).hostNetwork = true),
    "Deployment order: shares nothing with its host",
  ],
  "a port of the host": [
    (find) => (container(find).ports[0].hostPort = 5011),
    "Deployment order, container order: takes no port of its host",
  ],
  "a token for the API": [
    (find) => delete order(find).automountServiceAccountToken,
    "Deployment order: gets no token for the Kubernetes API",
  ],
  "a database as root": [
    (find) =>
      (find("StatefulSet identity-postgres").spec.template.spec.securityContext.runAsNonRoot =
        false),
    "StatefulSet identity-postgres: runs as a user with a number, who is not root",
  ],
  "a job without limits": [
    (_find, objects) =>
      objects.push({
        kind: "Job",
        metadata: { name: "j" },
        spec: { template: { metadata: {}, spec: { containers: [{ name: "j", image: "j:1" }] } } },
      }),
    "Job j, container j: has limits of CPU and memory",
  ],
  "no limits": [
    (find) => delete container(find).resources.limits,
    "Deployment order, container order: has limits of CPU and memory",
  ],
  "no limit of memory": [
    (find) => delete container(find).resources.limits.memory,
    "Deployment order, container order: has limits of CPU and memory",
  ],
  "no requests": [
    (find) => delete container(find).resources.requests,
    "Deployment order, container order: requests CPU and memory",
  ],
  "the latest image": [
    (find) => (container(find).image = "ghcr.io/tercet/order:latest"),
    "Deployment order, container order: has an image of one version",
  ],
  "an image of no version": [
    (find) => (container(find).image = "localhost:5000/order"),
    "Deployment order, container order: has an image of one version",
  ],
  "no readiness": [
    (find) => delete container(find).readinessProbe,
    "Deployment order, container order: has probes for start, life and readiness",
  ],
  "a restart when the database is away": [
    (find) => (container(find).livenessProbe = container(find).readinessProbe),
    "Deployment order, container order: is alive without its database",
  ],
  "the same by HTTP": [
    (find) => (container(find).livenessProbe.httpGet.path = "/health/ready"),
    "Deployment order, container order: is alive without its database",
  ],
  "a gap while replicas are replaced": [
    (find) => (find("Deployment order").spec.strategy.rollingUpdate.maxUnavailable = 1),
    "Deployment order: is replaced without a gap",
  ],
  "fewer replicas than its scaler's minimum": [
    (find) => (find("Deployment order").spec.replicas = 1),
    "Deployment order: begins with as many replicas as its scaler allows",
  ],
  "a scaler without behaviour": [
    (find) => delete find("HorizontalPodAutoscaler order").spec.behavior,
    "Deployment order: scales by rules",
  ],
  "no budget": [
    (_find, objects) => remove(objects, "PodDisruptionBudget order"),
    "Deployment order: has one budget when it has replicas, none when it has one",
  ],
  "a budget that allows no disruption": [
    (find) => (find("PodDisruptionBudget order").spec.maxUnavailable = 0),
    "Deployment order: can lose one replica, but not all",
  ],
  "a budget that allows all to be disrupted": [
    (find) => (find("PodDisruptionBudget order").spec.maxUnavailable = 2),
    "Deployment order: can lose one replica, but not all",
  ],
  "a budget for a single replica": [
    (find) => (find("HorizontalPodAutoscaler order").spec.minReplicas = 1),
    "Deployment order: has one budget when it has replicas, none when it has one",
  ],
  "all in one zone": [
    (find) => delete order(find).topologySpreadConstraints,
    "Deployment order: is spread",
  ],
  "less time than the drain takes": [
    (find) => (find("ConfigMap order").data.DRAIN_TIMEOUT_MS = "21000"),
    "Deployment order: has the time that its drain takes",
  ],
  "no preStop": [
    (find) => delete container(find).lifecycle,
    "Deployment order: serves on while endpoints are taken out",
  ],
  "a Service of another name": [
    (find) => (find("Service order").spec.selector["app.kubernetes.io/name"] = "orders"),
    "Service order: is of one workload",
  ],
  "a Service to a closed port": [
    (find) => (find("Service order").spec.ports[0].targetPort = "grpc"),
    "Service order: leads to ports that are open",
  ],
  "a secret in a ConfigMap": [
    (find) => (find("ConfigMap order").data.SERVICE_CLIENT_SECRET = "x"),
    "ConfigMap order: SERVICE_CLIENT_SECRET belongs into a Secret",
  ],
  "a password in a URL": [
    (find) => (find("ConfigMap order").data.CACHE = "redis://user:pass@cache:6379"),
    "ConfigMap order: CACHE belongs into a Secret",
  ],
  "a secret among a container's variables": [
    (find) => container(find).env.push({ name: "DATABASE_URL", value: "postgres://orders" }),
    "Deployment order, container order: DATABASE_URL belongs into a Secret",
  ],
  "a ConfigMap that is not there": [
    (_find, objects) => remove(objects, "ConfigMap order"),
    "Deployment order: there is no ConfigMap order",
  ],
  "no default": [
    (_find, objects) => remove(objects, "NetworkPolicy default-deny"),
    "NetworkPolicy: nothing denies Egress by default",
  ],
  "a default for one direction": [
    (find) => find("NetworkPolicy default-deny").spec.policyTypes.pop(),
    "NetworkPolicy: nothing denies Egress by default",
  ],
  "no policy for a service": [
    (_find, objects) => remove(objects, "NetworkPolicy order"),
    "NetworkPolicy: order -> payment:5012 is allowed at one end only",
  ],
  "a caller that is not let in": [
    (find) => find("NetworkPolicy payment").spec.ingress.splice(0),
    "NetworkPolicy: order -> payment:5012 is allowed at one end only",
  ],
};

test.for(Object.entries(mutants))("%s", async ([name, [mutate, problem]]) => {
  const objects = structuredClone(await golden()) as Mutable[];
  mutate((wanted) => {
    const found = objects.find(({ kind, metadata }) => `${kind} ${metadata.name}` === wanted);
    expect(found, wanted).toBeDefined();
    return found;
  }, objects);
  expect(policyProblems(objects), name).toContain(problem);
});

test("a policy for everyone shows as a way", async () => {
  const objects = structuredClone(await golden()) as Mutable[];
  const { spec } = objects.find(
    ({ kind, metadata }) => kind === "NetworkPolicy" && metadata.name === "order",
  );
  spec.ingress = [{}];
  spec.egress.push({ to: [] });
  expect(networkOf(objects).ways).toEqual(
    expect.arrayContaining(["anyone -> order:*", "order -> anyone:*"]),
  );
});

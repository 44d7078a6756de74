import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { isInstalled, ROOT, serviceNames } from "@tercet/cli/repository";
import { envToConfig as consoleConfig } from "@tercet/console-server";
import {
  generateSigningKey,
  hashClientSecret,
  envToConfig as identityConfig,
} from "@tercet/identity";
import { envToConfig as orderConfig } from "@tercet/order";
import { envToConfig as paymentConfig } from "@tercet/payment";
import { afterAll, expect, test } from "vitest";
import { parse } from "yaml";
import { startFakeKubernetes } from "./fake-kubernetes.testing.ts";
import { type Charts, installations, openCharts, UMBRELLA } from "./helm.ts";
import { envOf } from "./k8s-env.ts";
import { type K8sObject, ofKind, parseManifests, podsOf } from "./k8s-objects.ts";
import { kubeSchemas } from "./kube-schemas.ts";
import { checkConformance } from "./kubeconform.ts";

const helm = await isInstalled("helm");
if (!helm)
  process.stderr.write(
    "WITHOUT helm: charts/ are not rendered, and what services would read is not tried\n",
  );
const kubeconform = (await isInstalled("kubeconform")) && (await kubeSchemas()) !== undefined;
if (!kubeconform) process.stderr.write("WITHOUT kubeconform: it is not shown that it refuses\n");

const charts: Charts | undefined = helm ? await openCharts() : undefined;
afterAll(() => charts?.[Symbol.asyncDispose]());

const dev = join(ROOT, UMBRELLA, "values-dev.yaml");
const prod = join(ROOT, UMBRELLA, "values-prod.yaml");
const names = ["identity", "order", "payment"] as const;
const configs = { identity: identityConfig, order: orderConfig, payment: paymentConfig };

async function render(
  values: readonly string[] = [],
  ...options: readonly string[]
): Promise<K8sObject[]> {
  return parseManifests((await charts?.template(values, ...options)) ?? "");
}

/** As they must be there before an installation that makes none. */
const secrets = {
  identity: {
    DATABASE_URL: "postgres://identity@db/identity",
    TOKEN_SIGNING_KEYS: JSON.stringify({ keys: [await generateSigningKey()] }),
    SERVICE_CLIENTS: JSON.stringify([
      { id: "order", secretHash: hashClientSecret("x"), audiences: ["payment"] },
    ]),
  },
  order: { DATABASE_URL: "postgres://order@db/order", SERVICE_CLIENT_SECRET: "0123456789abcdef" },
  payment: { DATABASE_URL: "mongodb://payment@db/payment" },
};

test.skipIf(!helm)(
  "every service understands the variables that it is given, whatever the values file",
  async () => {
    for (const { name: installation, values } of await installations()) {
      const objects = await render(values);
      for (const name of names) {
        const env = envOf(objects, name, secrets[name]);
        const { service } = configs[name](env);
        const [pod] = podsOf(ofKind(objects, "Deployment")).filter((one) => one.name === name);
        expect(service.port, installation).toBe(pod?.containers[0]?.ports?.[0]?.containerPort);
        expect([service.drainDelayMs, service.drainTimeoutMs], installation).toEqual([
          2_000, 20_000,
        ]);
        expect(await unknownVariables(name, env), installation).toEqual([]);
      }
    }
  },
);

/** A variable with a wrong name is ignored without a message. */
async function unknownVariables(
  service: string,
  env: Readonly<Record<string, string>>,
): Promise<string[]> {
  const sources = ["service", service].map((name) =>
    readFile(join(ROOT, "packages", name, "src/config.ts"), "utf8"),
  );
  const known = (await Promise.all(sources)).join("");
  return Object.keys(env).filter(
    (name) => !/^(OTEL_\w+|POD_NAME)$/.test(name) && !known.includes(` ${name}: `),
  );
}

test.skipIf(!helm)("a variable that no service reads is found", async () => {
  const env = envOf(
    await render([], "--set-string", "order.env.PAYMENT_URI=http://payment:5012"),
    "order",
  );
  expect(await unknownVariables("order", env)).toEqual(["PAYMENT_URI"]);
});

test.skipIf(!helm)(
  "what a service waits for of its own configuration cannot be left out",
  async () => {
    const env = envOf(
      await render([], "--set-string", "order.env.PAYMENT_URL="),
      "order",
      secrets.order,
    );
    expect(() => orderConfig(env)).toThrow("PAYMENT_URL: is not set");
  },
);

test.skipIf(!helm)("secrets that are made fit each other, and lead to what is there", async () => {
  const objects = await render([dev]);
  const [identity, order] = [
    identityConfig(envOf(objects, "identity")),
    orderConfig(envOf(objects, "order")),
  ];
  // That the halves of a key pair belong together is part of Identity's configuration.
  expect(identity.signing).toMatchObject({
    alg: "ES256",
    keys: [{ kid: expect.stringMatching(/^[0-9a-f]{32}$/) }],
  });
  expect(identity.clients).toEqual([
    { id: "order", secretHash: hashClientSecret(order.clientSecret), audiences: ["payment"] },
  ]);
  expect(identity.seedUsers.map(({ email, roles }) => [email, ...roles])).toEqual([
    ["admin@example.com", "admin"],
    ["alice@example.com", "customer"],
    ["olivia@example.com", "operator"],
  ]);
  const services = new Set(
    ofKind(objects, "Service").map(
      ({ metadata, spec }) => `${metadata.name}:${spec.ports[0].port}`,
    ),
  );
  const urls = names.flatMap((name) =>
    Object.entries(envOf(objects, name)).filter(([variable]) => variable.endsWith("_URL")),
  );
  expect(urls.length).toBeGreaterThan(6);
  for (const [variable, url] of urls) expect(services, variable).toContain(new URL(url).host);
});

test.skipIf(!helm)("a second installation has other secrets", async () => {
  const [one, other] = [await render([dev]), await render([dev])];
  for (const name of names)
    expect(envOf(one, name)["DATABASE_URL"]).not.toBe(envOf(other, name)["DATABASE_URL"]);
  expect(envOf(one, "identity")["TOKEN_SIGNING_KEYS"]).not.toBe(
    envOf(other, "identity")["TOKEN_SIGNING_KEYS"],
  );
});

test.skipIf(!helm)(
  "an upgrade keeps the secrets of the first install, and pods roll when one has changed",
  async () => {
    const before = ofKind(await render([dev]), "Secret");
    // One of each service, of its database, and of the seeded users.
    expect(before.length).toBe(2 * serviceNames.length + 1);
    const after = await upgraded(before);
    expect(ofKind(after, "Secret").map(({ data }) => data)).toEqual(before.map(({ data }) => data));
    const rotated = before.map((one) =>
      one.metadata.name === "order" ? { ...one, data: { ...one.data, EXTRA: "eA==" } } : one,
    );
    const later = await upgraded(rotated);
    expect(checksum(later, "order")).not.toBe(checksum(after, "order"));
    expect(checksum(later, "identity")).toBe(checksum(after, "identity"));
  },
);

/** Renders as an upgrade does, which finds these objects in the cluster. */
async function upgraded(
  there: readonly K8sObject[],
  values = [dev],
  options: readonly string[] = [],
): Promise<K8sObject[]> {
  await using kubernetes = await startFakeKubernetes(there);
  const server = ["--dry-run=server", "--kube-apiserver", kubernetes.url];
  return await render(values, ...server, ...options);
}

const replicasOf = (objects: readonly K8sObject[], name: string): number | undefined =>
  ofKind(objects, "Deployment").find(({ metadata }) => metadata.name === name)?.spec.replicas;

const claimsOf = (objects: readonly K8sObject[]) =>
  Object.fromEntries(
    ofKind(objects, "PersistentVolumeClaim").map(({ metadata, spec }) => [
      metadata.name,
      { ...metadata.annotations, ...spec },
    ]),
  );
const boundClaim = (name: string): K8sObject => ({
  apiVersion: "v1",
  kind: "PersistentVolumeClaim",
  metadata: { name },
  spec: { storageClassName: "local", volumeName: `volume-of-${name}` },
});

test.skipIf(!helm)(
  "helm does not wait for the volume of a backup, which is bound at night, and never deletes it",
  async () => {
    const on = ["--set", "order.backup.enabled=true"];
    expect(claimsOf(await render([dev], ...on))["order-backup"]).toMatchObject({
      "helm.sh/hook": "pre-install,pre-upgrade",
      "helm.sh/hook-delete-policy": "hook-failed",
    });
    const there = await upgraded([boundClaim("order-backup")], [dev], on);
    expect(claimsOf(there)["order-backup"]).toBeUndefined();
  },
);

test.skipIf(!helm)("a claim that an earlier release has left is taken over as it is", async () => {
  expect(claimsOf(await render([dev]))["payment"]).not.toHaveProperty("volumeName");
  const left = boundClaim("payment");
  const { payment: taken } = claimsOf(await upgraded([left]));
  expect(taken).toMatchObject({ storageClassName: "local", volumeName: "volume-of-payment" });
  // Later revisions say the same, so that an upgrade or a rollback between them changes nothing.
  const marked = { ...left, metadata: { ...left.metadata, annotations: taken } } as K8sObject;
  const upgrade = ["--is-upgrade"];
  expect(claimsOf(await upgraded([marked], [dev], upgrade))["payment"]).toEqual(taken);
  const own = claimsOf(await upgraded([left], [dev], upgrade))["payment"];
  expect(own).not.toHaveProperty("volumeName");
});

test.skipIf(!helm)(
  "with an autoscaler an install begins with its minimum, and an upgrade keeps what it has set",
  async () => {
    const first = await render([prod]);
    const scalers = ofKind(first, "HorizontalPodAutoscaler");
    expect(scalers.length).toBe(serviceNames.length);
    for (const { metadata, spec } of scalers)
      expect(replicasOf(first, metadata.name), metadata.name).toBe(spec.minReplicas);
    const live = (replicas: number) => [
      {
        apiVersion: "apps/v1",
        kind: "Deployment",
        metadata: { name: "order", namespace: "tercet" },
        spec: { replicas },
      },
    ];
    for (const [replicas, then] of [
      [7, 7],
      [1, 3],
      [50, 20],
    ] as const)
      expect(replicasOf(await upgraded(live(replicas), [prod]), "order")).toBe(then);
  },
);

test.skipIf(!helm)("monitoring in a cluster without the operator is refused in words", async () => {
  const cluster = ["--api-versions", "apiregistration.k8s.io/v1"];
  await expect(render([prod], ...cluster)).rejects.toThrow(
    "the cluster has no monitoring.coreos.com/v1; install the Prometheus operator",
  );
  const operator = ["--api-versions", "monitoring.coreos.com/v1"];
  expect(ofKind(await render([prod], ...cluster, ...operator), "PrometheusRule")).toHaveLength(1);
  expect(await render([prod], ...cluster, "--set", "monitoring.enabled=false")).toBeDefined();
});

test.skipIf(!helm)("no values file needs nodes that name their zone", async () => {
  for (const { name: installation, values } of await installations())
    for (const { name, spec } of podsOf(await render(values)))
      for (const { topologyKey, whenUnsatisfiable } of spec.topologySpreadConstraints ?? [])
        if (topologyKey === "topology.kubernetes.io/zone")
          expect(whenUnsatisfiable, `${installation}: ${name}`).toBe("ScheduleAnyway");
});

test.skipIf(!helm)("the pods of `helm test` stay for their logs to be read", async () => {
  const pods = ofKind(await render([dev]), "Pod");
  expect(pods.length).toBe(2);
  for (const { metadata } of pods)
    expect(metadata.annotations?.["helm.sh/hook-delete-policy"]).toBe("before-hook-creation");
});

const checksum = (objects: readonly K8sObject[], name: string, of = "secret"): string =>
  objects.find(({ kind, metadata }) => kind === "Deployment" && metadata.name === name)?.spec
    .template.metadata.annotations[`checksum/${of}`];

test.skipIf(!helm)(
  "pods roll when a variable has changed, and only those that have it",
  async () => {
    const [one, other] = [
      await render(),
      await render([], "--set-string", "order.env.SAGA_LEASE_MS=6000"),
    ];
    expect(checksum(one, "order", "config")).not.toBe(checksum(other, "order", "config"));
    expect(checksum(one, "payment", "config")).toBe(checksum(other, "payment", "config"));
  },
);

test.skipIf(!helm)("the time to stop follows from the drain", async () => {
  const objects = await render(
    [],
    "--set",
    "order.drain.preStopSeconds=7,order.drain.delaySeconds=3,order.drain.timeoutSeconds=40",
  );
  const [order] = podsOf(objects).filter(({ of }) => of === "Deployment order");
  expect(order?.spec.terminationGracePeriodSeconds).toBe(7 + 3 + 40 + 5);
  expect(envOf(objects, "order")).toMatchObject({
    DRAIN_DELAY_MS: "3000",
    DRAIN_TIMEOUT_MS: "40000",
  });
});

/** Values that must be refused, and what is said then. */
const refused: Readonly<Record<string, readonly [string[], RegExp]>> = {
  "a misspelt value": [["--set", "order.replics=3"], /additional properties 'replics' not allowed/],
  "a misspelt value of the umbrella": [
    ["--set", "kong.replica=3"],
    /additional properties 'replica' not allowed/,
  ],
  "an image of no version": [["--set", "kong.image=localhost:5000/kong"], /kong\/image/],
  "the latest image": [["--set", "order.image.tag=latest"], /image\/tag/],
  "the latest image for all": [["--set", "global.images.tag=latest"], /images\/tag/],
  "a variable that follows from another value": [["--set-string", "order.env.PORT=80"], /env/],
  "a number where YAML would round it": [
    ["--set", "order.env.SAGA_DEADLINE_MS=120000"],
    /got number, want string/,
  ],
  "a database anywhere": [
    ["--set-json", "order.networkPolicy.database.to=[]"],
    /networkPolicy.database.to of order: say where its database is/,
  ],
  "a call to anywhere": [
    ["--set-json", 'payment.networkPolicy.calleesElsewhere=[{"port":443,"to":[]}]'],
    /calleesElsewhere\/0\/to/,
  ],
  "a link that is of no order": [["--set", "console.traceUrl=https://traces.example"], /traceUrl/],
  "no limits": [["--set-json", "order.resources.limits=null"], /limits/],
};

test.skipIf(!helm).for(Object.entries(refused))("%s is refused", async ([, [options, reason]]) => {
  await expect(render([], ...options)).rejects.toThrow(reason);
});

test.skipIf(!helm)("images are at one version, unless it is said of one", async () => {
  const digest = `sha256:${"0".repeat(64)}`;
  const options = [
    "--set",
    `global.images.from=registry.example/shop,global.images.tag=1.2.3,order.image.digest=${digest}`,
  ];
  const pods = podsOf(await render([], ...options)).filter(
    ({ labels }) => labels["app.kubernetes.io/component"] === "service",
  );
  expect(pods.flatMap(({ containers }) => containers.map(({ image }) => image)).sort()).toEqual(
    serviceNames
      .map((name) => `registry.example/shop/${name}${name === "order" ? `@${digest}` : ":1.2.3"}`)
      .sort(),
  );
});

test.skipIf(!helm)("a service can be installed alone", async () => {
  const alone = parseManifests(
    (await charts?.alone("catalog", "--set", "image.repository=registry.example/catalog")) ?? "",
  );
  expect(alone.map(({ metadata }) => metadata.name)).toContain("catalog");
  expect(new Set(alone.map(({ metadata }) => metadata.name.replace("-headless", "")))).toEqual(
    new Set(["catalog"]),
  );
});

test.skipIf(!helm)("images of others are at the versions of Compose", async () => {
  const compose = parse(await readFile(join(ROOT, "infra/compose.yaml"), "utf8"), {
    merge: true,
  }) as {
    services: Record<string, { image: string }>;
  };
  const tried = Object.values(compose.services).map(({ image }) => image);
  const images = podsOf(await render([dev])).flatMap(({ containers }) =>
    containers.map(({ image }) => image),
  );
  const others = new Set(images.filter((image) => !image.startsWith("ghcr.io/tercet/")));
  expect(others.size).toBe(4);
  for (const image of others) expect(tried).toContain(image);
});

test.skipIf(!helm)(
  "alerts reach the receiver that is named, with links that are absolute",
  async () => {
    const objects = await render(
      [prod],
      "--set-json",
      'monitoring.receiver={"webhookConfigs":[{"urlSecret":{"name":"pager","key":"url"}}]}',
      "--set",
      "monitoring.runbookBaseUrl=https://runbooks.example/tercet",
    );
    const [config] = ofKind(objects, "AlertmanagerConfig");
    expect(config?.spec.route.receiver).toBe(config?.spec.receivers[0].name);
    expect(config?.spec.receivers[0].webhookConfigs).toHaveLength(1);
    const alerts = alertsOf(objects);
    expect(alerts.length).toBeGreaterThan(10);
    for (const { labels, annotations } of alerts) {
      // By it the operator's Alertmanager routes to a configuration of the namespace.
      expect(labels["namespace"]).toBe("tercet");
      expect(annotations["runbook_url"]).toMatch(
        /^https:\/\/runbooks\.example\/tercet\/docs\/metrics\.md#\w+$/,
      );
    }
    const without = await render([prod]);
    expect(ofKind(without, "AlertmanagerConfig")).toEqual([]);
    for (const { annotations } of alertsOf(without))
      expect(annotations["runbook_url"]).toMatch(/"https:\/\/github\.com\/[^"]+" }}\/docs\//);
  },
);

interface Alert {
  readonly alert?: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

const alertsOf = (objects: readonly K8sObject[]): Alert[] =>
  ofKind(objects, "PrometheusRule")
    .flatMap(({ spec }) => spec.groups.flatMap(({ rules }: { rules: Alert[] }) => rules))
    .filter(({ alert }: Alert) => alert !== undefined);

test.skipIf(!helm)("the console can start with what it is given, and calls no one", async () => {
  for (const { name: installation, values } of await installations()) {
    const objects = await render(
      values,
      "--set-string",
      "console.logsUrl=https://logs.example/{orderId}",
    );
    const config = consoleConfig(envOf(objects, "console"));
    expect(config, installation).toMatchObject({
      port: 8080,
      settings: { operators: false, logsUrl: "https://logs.example/{orderId}" },
    });
    const [policy] = ofKind(objects, "NetworkPolicy").filter(
      ({ metadata }) => metadata.name === "console",
    );
    expect(policy?.spec.policyTypes, installation).toContain("Egress");
    expect(policy?.spec.egress, installation).toBeUndefined();
  }
});

/** What Kong's routes name must be what it finds. */
test.skipIf(!helm)("the gateway's hosts and ports are Services", async () => {
  const objects = await render();
  const services = ofKind(objects, "Service").flatMap(({ metadata, spec }) =>
    spec.ports.map(({ port }: { port: number }) => `${metadata.name}:${port}`),
  );
  const [kong] = ofKind(objects, "ConfigMap").filter(({ metadata }) => metadata.name === "kong");
  const routed = (
    parse(kong?.data?.["kong.yml"] ?? "") as { services: { host: string; port: number }[] }
  ).services;
  expect(routed.length).toBeGreaterThan(0);
  for (const { host, port } of routed) expect(services).toContain(`${host}:${port}`);
});

/** Manifests that the API server would refuse. */
const invalid: Readonly<Record<string, string>> = {
  "a misspelt field":
    "apiVersion: v1\nkind: Service\nmetadata: { name: a }\nspec: { selectr: {} }\n",
  "a wrong type":
    "apiVersion: apps/v1\nkind: Deployment\nmetadata: { name: a }\nspec: { replicas: two, selector: {}, template: {} }\n",
  "a field that is there twice":
    "apiVersion: v1\nkind: Service\nmetadata: { name: a }\nspec: { type: ClusterIP, type: NodePort }\n",
  "something required that is missing":
    "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: { name: a }\nspec: { minReplicas: 1 }\n",
  "a version of the API that is gone":
    "apiVersion: policy/v1beta1\nkind: PodDisruptionBudget\nmetadata: { name: a }\n",
  "a misspelt field of the operator's":
    "apiVersion: monitoring.coreos.com/v1\nkind: ServiceMonitor\nmetadata: { name: a }\nspec: { endpoint: [], endpoints: [], selector: {} }\n",
};

test.skipIf(!kubeconform).for(Object.entries(invalid))(
  "kubeconform refuses %s",
  async ([, text]) => {
    expect(await checkConformance(new Map([["a", text]]))).toMatchObject({ kind: "failed" });
  },
);

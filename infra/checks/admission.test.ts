import { freePort, onPath } from "@tercet/cli";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type ApiServer, startApiServer } from "./api-server.testing.ts";
import { type Charts, installations, openCharts } from "./helm.ts";
import { type K8sObject, ofKind, parseManifests } from "./k8s-objects.ts";
import { customResources } from "./kube-schemas.ts";
import { buildOverlays } from "./overlays.ts";

const needed = ["kube-apiserver", "etcd", "helm", "kustomize"];
const missing: string[] = [];
for (const tool of needed) if ((await onPath(tool)) === undefined) missing.push(tool);
if (missing.length > 0)
  process.stderr.write(
    `WITHOUT ${missing.join(", ")}: no API server judges the manifests (pnpm tools kube-apiserver; Debian: etcd-server)\n`,
  );

/** The API server of Kubernetes itself, with admission by the restricted Pod Security Standard. */
describe.skipIf(missing.length > 0)("a real API server", () => {
  let server: ApiServer;
  let charts: Charts;

  beforeAll(async () => {
    server = await startApiServer(freePort, "tercet");
    charts = await openCharts();
    const labels = Object.fromEntries(
      ["enforce", "warn"].map((mode) => [`pod-security.kubernetes.io/${mode}`, "restricted"]),
    );
    for (const object of [
      { apiVersion: "v1", kind: "Namespace", metadata: { name: "tercet", labels } },
      // Of a controller, of which there is none.
      { apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "default" } },
    ])
      expect(await server.apply(object, "stored")).toEqual([]);
  });
  afterAll(async () => {
    await server?.[Symbol.asyncDispose]();
    await charts?.[Symbol.asyncDispose]();
  });

  async function problemsOf(objects: readonly K8sObject[]): Promise<string[]> {
    const found: string[] = [];
    for (const object of objects)
      for (const problem of await server.apply(object, "dry run"))
        found.push(`${object.kind} ${object.metadata.name}: ${problem}`);
    return found;
  }

  const prod = async () =>
    (await installations()).find(({ name }) => name === "prod")?.values ?? [];

  test("without the Prometheus operator production is refused in words, and installed without monitoring", async () => {
    const install = async (...more: readonly string[]) =>
      await charts.install(await prod(), ...server.options, ...more);
    await expect(install()).rejects.toThrow("install the Prometheus operator");
    expect(await install("--set", "monitoring.enabled=false")).toContain("STATUS: pending-install");
  });

  test("accepts everything that the charts and the overlays make", async () => {
    for (const text of (await customResources()) ?? [])
      for (const object of parseManifests(text))
        expect(await server.apply(object, "stored")).toEqual([]);
    const accepted: Record<string, number> = {};
    for (const { name, values } of await installations()) {
      const objects = parseManifests(
        await charts.template(values, "--dry-run=server", ...server.options),
      );
      expect(await problemsOf(objects), name).toEqual([]);
      accepted[name] = objects.length;
    }
    for (const [name, text] of await buildOverlays()) {
      // The overlays have their namespaces in them.
      const objects = parseManifests(text);
      expect(await problemsOf(objects), name).toEqual([]);
      accepted[`overlay ${name}`] = objects.length;
    }
    process.stderr.write(`accepted by the API server: ${JSON.stringify(accepted)}\n`);
  });

  test("refuses a pod that may do more, a misspelt field, and a value out of its range", async () => {
    const objects = parseManifests(await charts.template([]));
    const [order] = ofKind(objects, "Deployment").filter(
      ({ metadata }) => metadata.name === "order",
    );
    const changed = (change: (spec: NonNullable<K8sObject["spec"]>) => void) => {
      const copy = structuredClone(order as K8sObject);
      change(copy.spec);
      return problemsOf([copy]);
    };
    const [misspelt, root, negative] = await Promise.all([
      changed((spec) => (spec.template.spec.containrs = [])),
      changed((spec) => (spec.template.spec.containers[0].securityContext = {})),
      changed((spec) => (spec.replicas = -1)),
    ]);
    expect(misspelt.join()).toContain("containrs");
    expect(root.join()).toContain("would violate PodSecurity");
    expect(negative.join()).toContain("must be greater than or equal to 0");
  });
});

import { randomUUID } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { CommandError, onPath, ROOT, serviceNames, temporaryFolder } from "@tercet/cli";
import type { Check } from "../check.ts";
import { REGISTRY, TAGS } from "../images.ts";

const PROD = "prod";
/** Namespaces take a while to go, and a name of one that goes cannot be used. */
const KUSTOMIZE = `kustomize-${randomUUID().slice(0, 8)}`;
const LIMIT_MS = 200_000;
const DEPLOYMENTS = [...serviceNames, "console", "kong", "collector"];

export const production: Check = {
  name: "values-prod and the production overlay, admitted by the API server",
  run: async (cluster) => {
    const url = (name: string) =>
      name === "payment" ? "mongodb://u:p@db:27017/payment" : `postgres://u:p@db:5432/${name}`;
    const urls = serviceNames.map((name) => [`${name.toUpperCase()}_DATABASE_URL`, url(name)]);
    await cluster.run(
      ["infra/scripts/k8s-setup.sh", "prod", "--secrets-only", "--namespace", PROD],
      { cwd: ROOT, env: Object.fromEntries(urls) },
    );
    const { stdout } = await cluster.run(
      [
        ...["helm", "install", PROD, "charts/tercet", `--namespace=${PROD}`, "--dry-run=server"],
        ...["--values=charts/tercet/values-prod.yaml", "--set=monitoring.enabled=false"],
      ],
      { cwd: ROOT },
    );
    const manifests = stdout.slice(stdout.indexOf("\nMANIFEST:\n") + "\nMANIFEST:\n".length);
    const apply = ["apply", "--server-side", "--force-conflicts", "--dry-run=server"];
    const input = manifests.slice(0, manifests.search(/^NOTES:$/m));
    const charts = await cluster.kubectl([`--namespace=${PROD}`, ...apply, "--filename=-"], {
      input,
    });
    await using scratch = await temporaryFolder("overlay");
    await writeOverlay(scratch.path, "prod", PROD);
    const overlay = await cluster.run(["kubectl", ...apply, `--kustomize=${scratch.path}`]);
    await cluster.kubectl(["delete", "namespace", PROD]);
    const warnings = `${charts.said}${overlay.said}`.match(/^Warning:.*/gm) ?? [];
    if (warnings.length > 0) throw new CommandError(warnings.join("\n"));
    const count = (said: string) => said.trim().split("\n").length;
    return `${count(charts.stdout)} objects of the chart, ${count(overlay.stdout)} of the overlay; not run: three replicas of everything need more than one node`;
  },
};

export const overlay: Check = {
  name: "the Kustomize overlay for development, applied, and an order",
  run: async (cluster) => {
    const inNamespace = (...args: string[]) => [`--namespace=${KUSTOMIZE}`, ...args];
    await using scratch = await temporaryFolder("overlay");
    const setup = ["infra/scripts/k8s-setup.sh", "dev", "--secrets-only", "--namespace", KUSTOMIZE];
    await cluster.run(setup, { cwd: ROOT });
    try {
      await writeOverlay(scratch.path, "dev", KUSTOMIZE);
      await cluster.run(["kubectl", "apply", `--kustomize=${scratch.path}`]);
      for (const name of DEPLOYMENTS)
        await cluster.kubectl(
          inNamespace("rollout", "status", `deployment/${name}`, "--timeout=3m"),
          { timeoutMs: LIMIT_MS },
        );
      await cluster.run(["infra/scripts/seed.sh", "--kubernetes", KUSTOMIZE], { cwd: ROOT });
      const { stdout } = await cluster.kubectl(
        inNamespace("get", "service", "kong", "--output=jsonpath={.spec.clusterIP}"),
      );
      const grpc = (await onPath("grpcurl")) === undefined ? "" : `${stdout}:9080`;
      const smoke = await cluster.run(["infra/scripts/smoke.sh", `http://${stdout}:8000`], {
        ...{ cwd: ROOT, env: { GRPC_TARGET: grpc } },
      });
      return `${DEPLOYMENTS.length} deployments ready; ${smoke.stdout.trim().split("\n").at(-1)}`;
    } finally {
      await cluster.kubectl(["delete", "namespace", KUSTOMIZE, "--wait=false"]);
    }
  },
};

/** What k8s-setup.sh writes: an overlay with this namespace and the images that the node has. */
async function writeOverlay(folder: string, name: string, namespace: string): Promise<void> {
  const kustomization = {
    apiVersion: "kustomize.config.k8s.io/v1beta1",
    kind: "Kustomization",
    namespace,
    resources: [relative(folder, join(ROOT, "infra/k8s/overlays", name))],
    images: [...serviceNames, "console"].map((image) => ({
      name: `ghcr.io/tercet/tercet/${image}`,
      newName: `${REGISTRY}/${image}`,
      newTag: TAGS[0],
    })),
  };
  await writeFile(join(folder, "kustomization.yaml"), JSON.stringify(kustomization));
}

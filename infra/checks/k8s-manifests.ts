import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  failedWith,
  isInstalled,
  type Outcome,
  ROOT,
  staleFiles,
  temporaryFolder,
} from "@tercet/cli/repository";
import { stringify } from "yaml";
import { openCharts } from "./helm.ts";
import { type K8sObject, parseManifests } from "./k8s-objects.ts";

const FOLDER = "infra/k8s";
const VALUES = `${FOLDER}/values.yaml`;

/**
 * Writes base/ (the umbrella chart without hooks and databases) and databases/ (for development),
 * one file per object.
 */
async function writeManifests(target: string): Promise<void> {
  await using charts = await openCharts();
  const rendered = await charts.template([join(ROOT, VALUES)], "--no-hooks");
  const manifests = rendered
    .split(/^---$/m)
    .flatMap((text) => parseManifests(text).map((manifest) => ({ manifest, text })));
  const parts = Map.groupBy(manifests, ({ manifest: { metadata } }) =>
    metadata.labels?.["app.kubernetes.io/component"] === "database" ? "databases" : "base",
  );
  for (const [part, some] of parts) await writeResources(join(target, part), some);
}

async function writeResources(
  folder: string,
  manifests: readonly { readonly manifest: K8sObject; readonly text: string }[],
): Promise<void> {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const resources: string[] = [];
  const scaled = manifests
    .filter(({ manifest }) => manifest.kind === "HorizontalPodAutoscaler")
    .map(({ manifest }) => manifest.metadata.name);
  for (const { manifest, text: rendered } of manifests) {
    // Each `kubectl apply` would set them, and undo what the autoscaler did.
    const fixed = manifest.kind === "Deployment" && scaled.includes(manifest.metadata.name);
    const text = fixed ? rendered.replace(/^ {2}replicas: \d+\n/m, "") : rendered;
    const name = `${manifest.kind.toLowerCase()}-${manifest.metadata.name}.yaml`;
    await writeFile(join(folder, name), `${text.replace(/^# Source: .*\n/m, "").trim()}\n`);
    resources.push(name);
  }
  const managedBy = {
    pairs: { "app.kubernetes.io/managed-by": "kustomize" },
    includeTemplates: true,
  };
  const kustomization = {
    apiVersion: "kustomize.config.k8s.io/v1beta1",
    kind: "Kustomization",
    labels: [managedBy],
    resources: resources.sort(),
  };
  await writeFile(
    join(folder, "kustomization.yaml"),
    `# Rendered from charts/tercet with ${VALUES} by pnpm generate: do not edit.\n${stringify(kustomization)}`,
  );
}

/** Renders infra/k8s from charts/. Resolves to false if helm is not installed. */
export async function generateManifests(): Promise<boolean> {
  if (!(await isInstalled("helm"))) return false;
  await writeManifests(join(ROOT, FOLDER));
  return true;
}

export async function checkManifests(): Promise<Outcome> {
  await using folder = await temporaryFolder("manifests");
  await writeManifests(folder.path);
  const parts = ["base", "databases"].map((name) =>
    staleFiles(`${FOLDER}/${name}`, join(folder.path, name)),
  );
  return failedWith((await Promise.all(parts)).flat());
}

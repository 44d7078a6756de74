import { mkdir, rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import {
  differences,
  failedWith,
  type Outcome,
  ROOT,
  temporaryFolder,
} from "@tercet/cli/repository";
import { parse, stringify } from "yaml";
import { type Charts, hasHelm, openCharts } from "./helm.ts";

const FOLDER = "infra/k8s";
const VALUES = `${FOLDER}/values.yaml`;

interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly labels?: Readonly<Record<string, string>> };
}

/**
 * Writes base/ (the umbrella chart without hooks and databases) and databases/ (for development),
 * one file per object.
 */
async function writeManifests(charts: Charts, target: string): Promise<void> {
  const rendered = await charts.template([join(ROOT, VALUES)], "--no-hooks");
  const manifests = rendered.split(/^---$/m).flatMap((text) => {
    const manifest = parse(text) as Manifest | null;
    return manifest === null ? [] : [{ manifest, text }];
  });
  const isDatabase = ({ manifest }: { manifest: Manifest }) =>
    manifest.metadata.labels?.["app.kubernetes.io/component"] === "database";
  await writeResources(
    join(target, "base"),
    manifests.filter((one) => !isDatabase(one)),
  );
  await writeResources(join(target, "databases"), manifests.filter(isDatabase));
}

async function writeResources(
  folder: string,
  manifests: readonly { readonly manifest: Manifest; readonly text: string }[],
): Promise<void> {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const files = new Map(
    manifests.map(({ manifest, text }) => [
      `${manifest.kind.toLowerCase()}-${manifest.metadata.name}.yaml`,
      text,
    ]),
  );
  for (const [name, text] of files)
    await writeFile(join(folder, name), `${text.replace(/^# Source: .*\n/m, "").trim()}\n`);
  const managedBy = {
    pairs: { "app.kubernetes.io/managed-by": "kustomize" },
    includeTemplates: true,
  };
  const kustomization = {
    apiVersion: "kustomize.config.k8s.io/v1beta1",
    kind: "Kustomization",
    labels: [managedBy],
    resources: [...files.keys()].sort(),
  };
  await writeFile(
    join(folder, "kustomization.yaml"),
    `# Rendered from charts/tercet with ${VALUES} by pnpm generate: do not edit.\n${stringify(kustomization)}`,
  );
}

/** Renders infra/k8s from charts/. Resolves to false if helm is not installed. */
export async function generateManifests(): Promise<boolean> {
  if (!(await hasHelm())) return false;
  await using charts = await openCharts();
  await writeManifests(charts, join(ROOT, FOLDER));
  return true;
}

export async function checkManifests(): Promise<Outcome> {
  if (!(await hasHelm()))
    return { kind: "skipped", reason: "helm is not installed: pnpm tools helm" };
  await using folder = await temporaryFolder("manifests");
  await using charts = await openCharts();
  await writeManifests(charts, folder.path);
  const problems: string[] = [];
  for (const part of ["base", "databases"].map((name) => join(FOLDER, name))) {
    const found = await differences(join(ROOT, part), join(folder.path, basename(part)));
    problems.push(...found.map((problem) => `${part}/${problem}: run pnpm generate`));
  }
  return failedWith(problems);
}

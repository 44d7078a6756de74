import { failedWith, type Outcome } from "@tercet/cli/repository";
import { hasHelm, installations, openCharts } from "./helm.ts";
import { conformanceProblems, withoutKubeconform } from "./kubeconform.ts";

/** The charts by helm's own rules, and what every values file makes of them by the API server's. */
export async function checkCharts(): Promise<Outcome> {
  if (!(await hasHelm())) return { kind: "skipped", reason: "helm is not there: pnpm tools helm" };
  const without = await withoutKubeconform();
  if (without !== undefined) return { kind: "skipped", reason: without };
  await using charts = await openCharts();
  const problems: string[] = [];
  const manifests = new Map<string, string>();
  for (const { name, values } of await installations()) {
    problems.push(...(await charts.lint(values)));
    manifests.set(name, await charts.template(values));
  }
  return failedWith([...problems, ...(await conformanceProblems(manifests))]);
}

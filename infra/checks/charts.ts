import { failedWith, type Outcome } from "@tercet/cli/repository";
import { installations, openCharts } from "./helm.ts";
import { checkConformance } from "./kubeconform.ts";

/** The charts by helm's own rules, and what every values file makes of them by the API server's. */
export async function checkCharts(): Promise<Outcome> {
  await using charts = await openCharts();
  const problems: string[] = [];
  const manifests = new Map<string, string>();
  for (const { name, values } of await installations()) {
    problems.push(...(await charts.lint(values)));
    manifests.set(name, await charts.template(values));
  }
  return problems.length > 0 ? failedWith(problems) : await checkConformance(manifests);
}

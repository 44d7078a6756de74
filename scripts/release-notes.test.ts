import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { execute, ROOT } from "@tercet/cli/repository";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { isOfVersion, sectionOf } from "./release-notes.ts";

const CHANGELOG =
  "# Changelog\n\n## Unreleased\n\n- Later.\n\n## 1.2.3 (2026-11-28)\n\n- One.\n- Two.\n\n## 1.2.2\n\n";

test("a version's notes are its section of the changelog", () => {
  expect(sectionOf(CHANGELOG, "1.2.3")).toBe("- One.\n- Two.");
  for (const version of ["1.2.2", "1.2", "1.2.30", "2.0.0"])
    expect(sectionOf(CHANGELOG, version), version).toBeUndefined();
});

test("a chart is of a version if its images and its parts are", async () => {
  const chart = await readFile(join(ROOT, "charts/tercet/Chart.yaml"), "utf8");
  const { version } = parse(chart) as { version: string };
  expect(isOfVersion(chart, version)).toBe(true);
  expect(isOfVersion(chart, "9.9.9")).toBe(false);
  expect(isOfVersion(chart.replace("appVersion: ", "appVersion: 9"), version)).toBe(false);
  expect(isOfVersion(chart.replace(/, version: /, ", version: 9"), version)).toBe(false);
});

test("a tag without notes, or that the charts are not of, ends with what is missing", async () => {
  const script = ["--conditions=source", "scripts/release-notes.ts"];
  const refused = await execute("node", [...script, "v9.9.9"]);
  expect(refused.code).toBe(1);
  expect(refused.output).toContain("charts/tercet/Chart.yaml is not of version 9.9.9");
  expect(refused.output).toContain('CHANGELOG.md has no section "## 9.9.9"');
  expect((await execute("node", [...script, "--help"])).code).toBe(0);
});

test("a tag makes images, a chart and a release of that version, after the images", async () => {
  const { on, jobs } = parse(
    await readFile(join(ROOT, ".github/workflows/images.yml"), "utf8"),
  ) as {
    on: { push: { tags: string[] } };
    jobs: Record<string, { needs?: string; if?: string; steps: Record<string, unknown>[] }>;
  };
  expect(on.push.tags).toEqual(["v*"]);
  expect(JSON.stringify(jobs["publish"]?.steps)).toContain("type=semver,pattern={{version}}");
  expect(jobs["release"]).toMatchObject({
    needs: "publish",
    if: "startsWith(github.ref, 'refs/tags/v')",
  });
  const commands = jobs["release"]?.steps.map(({ run }) => run).join("\n");
  for (const command of ["release-notes.ts", "helm push", "oci://ghcr.io/", "gh release create"])
    expect(commands).toContain(command);
});

test("perf runs all scenarios by hand too, and contracts are kept for 30 days", async () => {
  const workflow = async (name: string) =>
    parse(await readFile(join(ROOT, `.github/workflows/${name}.yml`), "utf8"));
  const perf = await workflow("perf");
  const [scenarios, ...rest] = perf.on.workflow_dispatch.inputs.scenario.options.toReversed();
  expect(scenarios).toBe("all");
  const matrix: string = perf.jobs.k6.strategy.matrix.scenario;
  expect(matrix).toContain("|| inputs.scenario == 'all') &&");
  expect(JSON.parse(/'(\[.*?\])'/.exec(matrix)?.[1] ?? "")).toEqual(rest.toReversed());
  const { contracts } = (await workflow("ci")).jobs;
  expect(contracts.steps).toContainEqual(
    expect.objectContaining({
      with: expect.objectContaining({ name: "contracts", "retention-days": 30 }),
    }),
  );
});

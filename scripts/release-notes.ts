/** Prints the notes of a release, for the workflow that makes it. */

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { ROOT, scriptArguments } from "@tercet/cli/repository";
import { parse } from "yaml";

const usage = `Usage: node --conditions=source scripts/release-notes.ts TAG [--help]

Prints the section of CHANGELOG.md for the version of TAG ("v1.2.3"). Fails if there is none, or if
the charts are of another version: their default images are those of their own version.
`;

const CHARTS = ["charts/tercet/Chart.yaml", "charts/service/Chart.yaml"];

interface Chart {
  readonly version: string;
  readonly appVersion: string;
  readonly dependencies?: readonly { readonly version: string }[];
}

/** Returns the text under "## 1.2.3"; undefined if there is no such section or no text. */
export function sectionOf(changelog: string, version: string): string | undefined {
  const [, ...sections] = changelog.split(/^## /m);
  const found = sections.find((section) => section.split(/\s/, 1)[0] === version);
  return found?.slice(found.indexOf("\n")).trim() || undefined;
}

/** Returns whether a chart, its images and the charts in it are of this version. */
export function isOfVersion(chart: string, version: string): boolean {
  const { version: own, appVersion, dependencies = [] } = parse(chart) as Chart;
  const versions = [own, appVersion, ...dependencies.map((one) => one.version)];
  return versions.every((one) => one === version);
}

async function main(): Promise<number> {
  const { positionals } = scriptArguments(usage, { allowPositionals: true });
  const [tag] = positionals;
  if (tag === undefined) {
    process.stderr.write(usage);
    return 2;
  }
  const version = tag.replace(/^v/, "");
  const read = (path: string) => readFile(join(ROOT, path), "utf8");
  const charts = await Promise.all(CHARTS.map(read));
  const notes = sectionOf(await read("CHANGELOG.md"), version);
  const problems = [
    ...CHARTS.filter((_, index) => !isOfVersion(charts[index] ?? "", version)).map(
      (path) => `${path} is not of version ${version}: set version and appVersion everywhere in it`,
    ),
    ...(notes === undefined ? [`CHANGELOG.md has no section "## ${version}"`] : []),
  ];
  process[problems.length === 0 ? "stdout" : "stderr"].write(
    `${problems.length === 0 ? notes : problems.join("\n")}\n`,
  );
  return problems.length === 0 ? 0 : 1;
}

if (import.meta.main) process.exitCode = await main();

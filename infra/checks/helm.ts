import { cp, readdir } from "node:fs/promises";
import { join, relative } from "node:path";
import { execute, ROOT, temporaryFolder } from "@tercet/cli/repository";
import { KUBERNETES } from "./kube-schemas.ts";

export const UMBRELLA = "charts/tercet";

/** Returns each way to install the umbrella chart: its defaults, and one per values file. */
export async function installations(): Promise<
  { readonly name: string; readonly values: readonly string[] }[]
> {
  const files = (await readdir(join(ROOT, UMBRELLA)))
    .filter((file) => /^values-\w+\.yaml$/.test(file))
    .sort();
  return [
    { name: "default", values: [] },
    ...files.map((file) => ({
      name: file.slice("values-".length, -".yaml".length),
      values: [join(ROOT, UMBRELLA, file)],
    })),
  ];
}

/**
 * Where helm packs dependencies when it works in the tree. Matched from the root, as a checkout may
 * be named tercet too.
 */
const PACKED = /^charts[/\\]tercet[/\\](tmpcharts-[^/\\]*|charts)$/;

export interface Charts extends AsyncDisposable {
  /** Returns the problems of both charts with these values files. */
  lint(values: readonly string[]): Promise<string[]>;
  /** Renders the umbrella chart into one text. Throws with helm's message. */
  template(values: readonly string[], ...options: readonly string[]): Promise<string>;
  /** As an installation in a cluster does, which stores nothing. Throws with helm's message. */
  install(values: readonly string[], ...options: readonly string[]): Promise<string>;
  /** Renders charts/service by itself. */
  alone(release: string, ...options: readonly string[]): Promise<string>;
}

/**
 * Runs helm on a copy of the charts with the umbrella's dependencies packed, so that the tree does
 * not change and several checks can run at once.
 */
export async function openCharts(): Promise<Charts> {
  const folder = await temporaryFolder("charts");
  const [service, umbrella] = [join(folder.path, "service"), join(folder.path, "tercet")];
  await cp(join(ROOT, "charts"), folder.path, {
    recursive: true,
    filter: (path) => !PACKED.test(relative(ROOT, path)),
  });
  await helm("dependency", "build", "--skip-refresh", umbrella);
  const version = ["--kube-version", KUBERNETES];
  const files = (values: readonly string[]) => values.flatMap((file) => ["--values", file]);
  return {
    lint: async (values) => {
      const lint = (...chart: string[]) =>
        execute("helm", ["lint", "--strict", ...version, ...chart]);
      const outcomes = [await lint(service), await lint(umbrella, ...files(values))];
      return outcomes.filter(({ code }) => code !== 0).map(({ output }) => output.trim());
    },
    template: (values, ...options) => {
      const release = ["tercet", umbrella, "--namespace", "tercet"];
      return helm("template", ...release, ...version, ...files(values), ...options);
    },
    install: (values, ...options) => {
      const release = ["tercet", umbrella, "--namespace", "tercet", "--dry-run=server"];
      return helm("install", ...release, ...files(values), ...options);
    },
    alone: (release, ...options) => helm("template", release, service, ...version, ...options),
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

async function helm(...args: readonly string[]): Promise<string> {
  const { code, stdout, output } = await execute("helm", args);
  if (code !== 0) throw new Error(`helm ${args.join(" ")}: ${output.trim()}`);
  return stdout;
}

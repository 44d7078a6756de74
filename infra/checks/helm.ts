import { cp, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { execute, ROOT } from "@tercet/cli/repository";
import { KUBERNETES } from "./kube-schemas.ts";

export const UMBRELLA = "charts/tercet";

/**
 * Each way the umbrella is meant to be installed: its defaults, and what each values file makes of
 * them.
 */
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
 * Where helm packs dependencies, by somebody at work in the tree; from the root, since a checkout
 * may be named tercet too.
 */
const PACKED = /^charts[/\\]tercet[/\\](tmpcharts-[^/\\]*|charts)$/;

export interface Charts extends AsyncDisposable {
  /** What is wrong with the umbrella and these values. */
  lint(values: readonly string[]): Promise<string[]>;
  /** The manifests, in one text. Throws with what helm says. */
  template(values: readonly string[], ...options: readonly string[]): Promise<string>;
  /** The manifests of charts/service by itself. */
  alone(release: string, ...options: readonly string[]): Promise<string>;
}

export async function hasHelm(): Promise<boolean> {
  return (await execute("helm", ["version"])).code === 0;
}

/**
 * helm on a copy of the charts, where the umbrella's dependencies are packed: the tree stays as it
 * is, and many may do this at once.
 */
export async function openCharts(): Promise<Charts> {
  const folder = await mkdtemp(join(tmpdir(), "tercet-charts-"));
  const [service, umbrella] = [join(folder, "service"), join(folder, "tercet")];
  await cp(join(ROOT, "charts"), folder, {
    recursive: true,
    filter: (path) => !PACKED.test(relative(ROOT, path)),
  });
  await helm("dependency", "build", umbrella);
  const files = (values: readonly string[]) => values.flatMap((file) => ["--values", file]);
  return {
    lint: async (values) => {
      const outcomes = [
        await execute("helm", ["lint", "--strict", "--kube-version", KUBERNETES, service]),
        await execute("helm", [
          "lint",
          "--strict",
          "--kube-version",
          KUBERNETES,
          umbrella,
          ...files(values),
        ]),
      ];
      return outcomes.filter(({ code }) => code !== 0).map(({ output }) => output.trim());
    },
    template: (values, ...options) =>
      helm(
        "template",
        "tercet",
        umbrella,
        "--namespace",
        "tercet",
        "--kube-version",
        KUBERNETES,
        ...files(values),
        ...options,
      ),
    alone: (release, ...options) =>
      helm("template", release, service, "--kube-version", KUBERNETES, ...options),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}

async function helm(...args: readonly string[]): Promise<string> {
  const { code, stdout, output } = await execute("helm", args);
  if (code !== 0) throw new Error(`helm ${args.join(" ")}: ${output.trim()}`);
  return stdout;
}

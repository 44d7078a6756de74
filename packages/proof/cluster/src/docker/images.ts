import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { ROOT } from "@tercet/cli";
import { baseImage } from "./base-image.ts";
import { type Engine, LABEL } from "./engine.ts";

export const DOCKERFILE = "infra/docker/Dockerfile";
export const CONSOLE_DOCKERFILE = "infra/docker/console.Dockerfile";

/** TERCET_VERSION of these images. */
export const TAG = "test";

/** The first line of each stage that names an image of a registry. */
const FROM = /^FROM (node:\S+)/gm;

export interface Images {
  /** The image that they begin from. */
  readonly base: string;
  of(name: string): string;
}

/**
 * Returns the image that our Dockerfiles begin from, or one that is made in its place. It takes a
 * while.
 */
export async function findBase(engine: Engine, scratch: string): Promise<string> {
  const pinned = [...(await readFile(join(ROOT, DOCKERFILE), "utf8")).matchAll(FROM)][0]?.[1] ?? "";
  return await baseImage(engine, pinned, scratch);
}

/**
 * Builds the images of the services and of the console with their Dockerfiles. Only the image
 * that they begin from may be another one.
 */
export async function buildImages(
  engine: Engine,
  names: readonly string[],
  scratch: string,
): Promise<Images> {
  // As infra/compose.yaml names them.
  const image = (name: string) => `tercet-${name}:${TAG}`;
  const base = await findBase(engine, scratch);
  const build = async (name: string) => {
    const file = name === "console" ? CONSOLE_DOCKERFILE : DOCKERFILE;
    const text = await readFile(join(ROOT, file), "utf8");
    const argument = name === "console" ? [] : ["--build-arg", `SERVICE=${name}`];
    const start = performance.now();
    const { code, said } = await engine.docker(
      [
        ...["build", "--network", "host", "--label", `${LABEL}=${name}`, ...argument],
        ...["--tag", image(name), "--file", "-", "."],
      ],
      { cwd: ROOT, input: text.replaceAll(FROM, `FROM ${base}`) },
    );
    if (code !== 0) throw new Error(`${file} of ${name} cannot be built:\n${said.slice(-4_000)}`);
    const seconds = ((performance.now() - start) / 1_000).toFixed(0);
    process.stderr.write(`image of ${name}: built in ${seconds} s\n`);
  };
  // The services begin with the same steps, which the first one makes.
  const [first = "", ...others] = names;
  await build(first);
  await Promise.all(others.map(build));
  return { base, of: image };
}

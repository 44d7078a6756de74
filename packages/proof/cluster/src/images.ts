import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  CommandError,
  type ProgressListener,
  ROOT,
  serviceNames,
  temporaryFolder,
} from "@tercet/cli";
import { listFiles } from "@tercet/cli/repository";
import { type Engine, startEngine, whyNoEngine } from "./docker/engine.ts";
import { buildImages } from "./docker/images.ts";
import { imagesFolder } from "./folder.ts";
import { makeThirdParty, STAND_IN_FILES } from "./third-party.ts";

/** `global.images.from` of the charts. */
export const REGISTRY = "cluster.tercet";
/** Two names of the same image, so that an upgrade replaces every pod. */
export const TAGS = ["1", "2"] as const;

export interface ClusterImages {
  /** Files made by `docker save`. */
  readonly files: readonly string[];
  /** Sentences about images that are not the true ones. */
  readonly notices: readonly string[];
}

/** What is in the images, by file; more is no harm but that they are made anew too often. */
const CONTENT = [
  /^(gen|packages|infra\/docker|gateway)\//,
  /^(package\.json|pnpm-.*\.yaml|\.dockerignore|turbo\.json|tsconfig.*\.json)$/,
];
const NO_CONTENT = /^packages\/(proof|stack|admin)\/|\.test\.|\/test\/|\.md$/;

/** Builds the images that are not there for this content. */
export async function provideImages(listener: ProgressListener): Promise<ClusterImages> {
  const folder = imagesFolder();
  await mkdir(folder, { recursive: true });
  const paths = await listFiles();
  const content = paths.filter(
    (path) => CONTENT.some((pattern) => pattern.test(path)) && !NO_CONTENT.test(path),
  );
  const ours = join(folder, `services-${await hashOf(content)}.tar`);
  const others = join(folder, `third-party-${await hashOf(STAND_IN_FILES)}.tar`);
  if (!existsSync(ours) || !existsSync(others)) {
    const why = await whyNoEngine();
    if (why !== undefined) throw new CommandError(`the images cannot be built: ${why}`);
    await using engine = await startEngine();
    await using scratch = await temporaryFolder("cluster-images");
    if (!existsSync(ours))
      await listener.progress("images of the services", async () => {
        await save(engine, await makeOurs(engine, scratch.path), ours);
      });
    if (!existsSync(others))
      await listener.progress("images of third parties", async () => {
        const { images, notices } = await makeThirdParty(engine, scratch.path);
        await save(engine, images, others);
        await writeFile(`${others}.json`, JSON.stringify(notices));
      });
  }
  await removeOthers(folder, [ours, others, `${others}.json`]);
  const notices = JSON.parse(await readFile(`${others}.json`, "utf8")) as string[];
  return { files: [others, ours], notices };
}

async function hashOf(paths: readonly string[]): Promise<string> {
  const hash = createHash("sha256");
  for (const path of paths) hash.update(path).update(await readFile(join(ROOT, path)));
  return hash.digest("hex").slice(0, 16);
}

async function makeOurs(engine: Engine, scratch: string): Promise<string[]> {
  const names = [...serviceNames, "console"];
  const { of } = await buildImages(engine, names, scratch);
  const tagged: string[] = [];
  for (const name of names)
    for (const tag of TAGS) {
      const image = `${REGISTRY}/${name}:${tag}`;
      await engine.docker(["tag", of(name), image]);
      tagged.push(image);
    }
  return tagged;
}

async function save(engine: Engine, images: readonly string[], file: string): Promise<void> {
  const unfinished = `${file}.${process.pid}`;
  const { code, said } = await engine.docker(["save", "--output", unfinished, ...images]);
  if (code !== 0) throw new CommandError(`docker save: ${said}`);
  await rename(unfinished, file);
}

async function removeOthers(folder: string, kept: readonly string[]): Promise<void> {
  for (const name of await readdir(folder)) {
    const path = join(folder, name);
    if (!kept.includes(path)) await rm(path, { recursive: true });
  }
}

import { existsSync, globSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  failedWith,
  type Outcome,
  ROOT,
  readTexts,
  type ServiceEntry,
  services,
} from "@tercet/cli/repository";
import { type Place, places } from "../services/places.ts";

const ADVICE =
  "The list is packages/cli/src/services.ts. `pnpm generate` adds the lines of a new service; what differs in lines that are there is changed by hand.";

/** Files by path, from the root. */
export type Texts = ReadonlyMap<string, string>;

/** Every place names every service of the list, and every service is in proto/ and packages/. */
export async function checkServices(): Promise<Outcome> {
  const problems = [
    ...services.flatMap(folderProblems),
    ...protoProblems(await readTexts(globSync("proto/*/v1/*.proto", { cwd: ROOT }))),
    ...placeProblems(await readPlaces()),
  ];
  return failedWith(problems.length === 0 ? [] : [...problems, ADVICE]);
}

/** Returns a sentence for each thing that a file lacks of a service. */
export function placeProblems(texts: Texts, entries: readonly ServiceEntry[] = services): string[] {
  return places.flatMap((place) =>
    entries.flatMap((entry) =>
      place
        .missing(texts.get(place.file) ?? "", entry)
        .map((what) => `${place.file} lacks for ${entry.name}: ${what}`),
    ),
  );
}

/** Adds to the files what they lack of each service, in the order of the list. */
export async function writePlaces(): Promise<void> {
  const texts = await readPlaces();
  for (const entry of services)
    for (const place of places) texts.set(place.file, completed(place, entry, texts));
  for (const [file, text] of texts) await writeFile(join(ROOT, file), text);
}

function completed(place: Place, entry: ServiceEntry, texts: Texts): string {
  const text = texts.get(place.file) ?? "";
  return place.missing(text, entry).length === 0 ? text : place.add(text, entry);
}

async function readPlaces(): Promise<Map<string, string>> {
  const files = [...new Set(places.map(({ file }) => file))];
  const read = files.map(async (file) => [file, await readFile(join(ROOT, file), "utf8")] as const);
  return new Map(await Promise.all(read));
}

const folderProblems = ({ name }: ServiceEntry): string[] =>
  [`packages/${name}/package.json`, `proto/${name}/v1`]
    .filter((path) => !existsSync(join(ROOT, path)))
    .map((path) => `there is no ${path}: \`pnpm new service ${name}\` makes it`);

/** Published contracts, which the host serves. */
const HOSTS = /^(grpc|buf|google)\./;

/** Each proto service of the list is in proto/, and the other way round. */
export function protoProblems(
  protos: Texts,
  entries: readonly ServiceEntry[] = services,
): string[] {
  const declared = [...protos.values()].flatMap((text) => {
    const [, name = ""] = /^package ([\w.]+);/m.exec(text) ?? [];
    return [...text.matchAll(/^service (\w+)/gm)].map(([, service]) => `${name}.${service}`);
  });
  const listed = entries.flatMap(({ protoServices }) => protoServices);
  return [
    ...declared
      .filter((name) => !HOSTS.test(name) && !listed.includes(name))
      .map((name) => `packages/cli/src/services.ts lacks ${name}, which is in proto/`),
    ...listed
      .filter((name) => !declared.includes(name))
      .map((name) => `packages/cli/src/services.ts names ${name}, which is not in proto/`),
  ];
}

import { isDeepStrictEqual } from "node:util";
import {
  createRegistry,
  type DescMessage,
  fromBinary,
  fromJson,
  type JsonValue,
  type Registry,
  toBinary,
  toJson,
} from "@bufbuild/protobuf";
import { ourContracts } from "@tercet/gateway";
import { examplesOf, messagesOf } from "./example.ts";
import { GOLDEN, readFolder, writeFolder } from "./folder.ts";

/** One message in binary and in JSON. */
export interface Vector {
  readonly what: string;
  readonly hex: string;
  readonly json: JsonValue;
}

/** By the full name of the message. */
export type Vectors = Readonly<Record<string, readonly Vector[]>>;

/** Resolves to a sentence for each difference between generated code and committed vectors. */
export async function vectorProblems(): Promise<string[]> {
  const files = await ourContracts();
  const registry = createRegistry(...files);
  const committed = await readVectors();
  return [
    ...Object.entries(committed).flatMap(([name, vectors]) =>
      vectors.flatMap((vector) => problemOf(registry, name, vector)),
    ),
    ...missing(await madeVectors(), committed).map(
      ({ name, what }) => `${name} (${what}) has no golden vector: run pnpm contracts accept`,
    ),
  ];
}

/**
 * Adds the missing vectors. Existing ones stay, since what was once sent must always be understood.
 * Resolves to the number of added vectors.
 */
export async function acceptVectors(): Promise<number> {
  const committed = await readVectors();
  const added = missing(await madeVectors(), committed);
  const packages = new Map<string, Record<string, readonly Vector[]>>();
  for (const [name, vectors] of Object.entries(committed))
    inPackage(packages, name)[name] = vectors;
  for (const { name, ...vector } of added) {
    const own = inPackage(packages, name);
    own[name] = [...(own[name] ?? []), vector];
  }
  await writeFolder(
    GOLDEN,
    new Map([...packages].map(([name, own]) => [`${name}.json`, toText(own)])),
  );
  return added.length;
}

function inPackage(
  packages: Map<string, Record<string, readonly Vector[]>>,
  name: string,
): Record<string, readonly Vector[]> {
  const key = /^(?:[a-z0-9]+\.)+/.exec(name)?.[0].slice(0, -1) ?? name;
  const own = packages.get(key) ?? {};
  packages.set(key, own);
  return own;
}

async function readVectors(): Promise<Vectors> {
  const files = await readFolder(GOLDEN);
  return Object.assign({}, ...[...files.values()].map((text) => JSON.parse(text) as Vectors));
}

async function madeVectors(): Promise<Vectors> {
  const messages = messagesOf(await ourContracts());
  return Object.fromEntries(
    messages.map((desc) => [
      desc.typeName,
      examplesOf(desc).map((example) => toVector(desc, example)),
    ]),
  );
}

const toVector = (
  desc: DescMessage,
  { what, message }: ReturnType<typeof examplesOf>[number],
): Vector => ({
  what,
  hex: Buffer.from(toBinary(desc, message)).toString("hex"),
  json: toJson(desc, message),
});

/** A message with a new field has another "every field"; its old vector stays. */
function missing(made: Vectors, committed: Vectors): (Vector & { readonly name: string })[] {
  return Object.entries(made).flatMap(([name, vectors]) => {
    const there = committed[name] ?? [];
    return vectors
      .filter((vector) => !there.some((one) => isDeepStrictEqual(one, vector)))
      .map((vector) => ({ name, ...vector }));
  });
}

function problemOf(registry: Registry, name: string, { what, hex, json }: Vector): string[] {
  const desc = registry.getMessage(name);
  if (desc === undefined) return [`${name} (${what}): the message no longer exists`];
  const written = attempt(() => Buffer.from(toBinary(desc, fromJson(desc, json))).toString("hex"));
  const read = attempt(() => toJson(desc, fromBinary(desc, Buffer.from(hex, "hex"))));
  return [
    ...(written === hex ? [] : [`${name} (${what}) is written as ${written}, not as ${hex}`]),
    ...(isDeepStrictEqual(read, json)
      ? []
      : [`${name} (${what}) is read as ${JSON.stringify(read)}, not as ${JSON.stringify(json)}`]),
  ];
}

function attempt<T>(make: () => T): T | string {
  try {
    return make();
  } catch (error) {
    return `nothing (${(error as Error).message})`;
  }
}

/** Writes each vector on a line of its own, for readable diffs. */
function toText(vectors: Vectors): string {
  const messages = Object.keys(vectors).sort();
  const lines = messages.map(
    (name) =>
      `  ${JSON.stringify(name)}: [\n${vectors[name]?.map((one) => `    ${JSON.stringify(one)}`).join(",\n")}\n  ]`,
  );
  return `{\n${lines.join(",\n")}\n}\n`;
}

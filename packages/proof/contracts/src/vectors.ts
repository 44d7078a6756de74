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
import { type Example, examplesOf, messagesOf } from "./example.ts";
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
  const registry = createRegistry(...(await ourContracts()));
  const committed = await readVectors();
  const problems = Object.entries(committed).flatMap(([name, vectors]) =>
    vectors.flatMap((vector) => problemOf(registry, name, vector)),
  );
  const missing = Object.entries(await missingFrom(committed)).flatMap(([name, vectors]) =>
    vectors.map(({ what }) => `${name} (${what}) has no golden vector: run pnpm contracts accept`),
  );
  return [...problems, ...missing];
}

/**
 * Adds the missing vectors. Existing ones stay, since what was once sent must always be understood.
 * Resolves to the number of added vectors.
 */
export async function acceptVectors(): Promise<number> {
  const committed = await readVectors();
  const added = await missingFrom(committed);
  const all: Record<string, readonly Vector[]> = { ...committed };
  for (const [name, vectors] of Object.entries(added))
    all[name] = [...(all[name] ?? []), ...vectors];
  const packages = [...Map.groupBy(Object.keys(all).sort(), packageOf)];
  await writeFolder(
    GOLDEN,
    new Map(packages.map(([name, messages]) => [`${name}.json`, toText(messages, all)])),
  );
  return Object.values(added).flat().length;
}

/** "order.v1" of "order.v1.Order". */
const packageOf = (message: string): string => message.replace(/\.[A-Z].*$/, "");

async function readVectors(): Promise<Vectors> {
  const files = await readFolder(GOLDEN);
  return Object.assign({}, ...[...files.values()].map((text) => JSON.parse(text) as Vectors));
}

/** A message with a new field has another "every field"; its old vector stays. */
async function missingFrom(committed: Vectors): Promise<Vectors> {
  const isMissing = (name: string, vector: Vector) =>
    !committed[name]?.some((one) => isDeepStrictEqual(one, vector));
  return Object.fromEntries(
    messagesOf(await ourContracts()).map((desc) => {
      const vectors = examplesOf(desc).map((example) => toVector(desc, example));
      return [desc.typeName, vectors.filter((vector) => isMissing(desc.typeName, vector))];
    }),
  );
}

const toVector = (desc: DescMessage, { what, message }: Example): Vector => ({
  what,
  hex: Buffer.from(toBinary(desc, message)).toString("hex"),
  json: toJson(desc, message),
});

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
function toText(messages: readonly string[], vectors: Vectors): string {
  const entries = messages.map((name) => {
    const lines = vectors[name]?.map((vector) => `    ${JSON.stringify(vector)}`);
    return `  ${JSON.stringify(name)}: [\n${lines?.join(",\n")}\n  ]`;
  });
  return `{\n${entries.join(",\n")}\n}\n`;
}

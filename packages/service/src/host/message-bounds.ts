import {
  type DescEnum,
  type DescField,
  type DescMessage,
  getOption,
  hasOption,
  type JsonObject,
  type JsonValue,
  ScalarType,
} from "@bufbuild/protobuf";
import { type Path, pathToString } from "@bufbuild/protobuf/reflect";
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { Code, ConnectError } from "@connectrpc/connect";
import { field as fieldRules } from "@tercet/gen/buf/validate/validate";
import { violationError } from "./violations.ts";

/** Fields and items of one message, also unknown ones. The largest valid request has 160. */
export const MAX_VALUES = 2_000;
/** As protobuf's own limit. */
const MAX_DEPTH = 100;

/** A position in a message, and what the message has used of `MAX_VALUES` so far. */
interface Place {
  readonly used: { values: number };
  readonly path: Path;
  readonly depth: number;
}

const start = (): Place => ({ used: { values: 0 }, path: [], depth: 1 });

/**
 * Throws `invalid_argument` if a message in the binary format has too many values, or a repeated
 * field has more items than its rule allows. Reads tags and lengths only, so nothing is built for a
 * message that is refused. Throws another error for malformed bytes.
 */
export function boundBinary(desc: DescMessage, bytes: Uint8Array): void {
  scan(desc, new BinaryReader(bytes), bytes.length, start());
}

function scan(desc: DescMessage, reader: BinaryReader, end: number, place: Place): void {
  const { byNumber } = shapeOf(desc);
  const items = new Map<DescField, number>();
  while (reader.pos < end) {
    const [number, wireType] = reader.tag();
    const known = byNumber.get(number);
    if (known === undefined) {
      spend(place, 1);
      reader.skip(wireType, number);
    } else if (known.isPlain) skipPlain(known, wireType, reader, end, place);
    else scanField(known, wireType, reader, end, items, place);
  }
  if (reader.pos !== end) throw new RangeError(`${desc.typeName} is longer than its length`);
}

/** A field with one value that is no message: most fields. */
function skipPlain(
  { field, wireType }: FieldShape,
  given: WireType,
  reader: BinaryReader,
  end: number,
  place: Place,
): void {
  if (given !== wireType) throw wrongWireType(field, given);
  reader.skip(given, field.number);
  if (reader.pos > end) throw tooLong(field);
  spend(place, 1);
}

// The decoder does not check: it would read a number as a length.
const wrongWireType = (field: DescField, given: WireType): Error =>
  new Error(`${field} has the wire type ${given}`);

const tooLong = (field: DescField): RangeError =>
  new RangeError(`${field} is longer than its message`);

function scanField(
  { field, wireType: own, maxItems }: FieldShape,
  wireType: WireType,
  reader: BinaryReader,
  end: number,
  items: Map<DescField, number>,
  place: Place,
): void {
  const packed = wireType === WireType.LengthDelimited && isPackable(field);
  if (!packed && wireType !== own) throw wrongWireType(field, wireType);
  const from = reader.pos;
  const bytes = reader.skip(wireType, field.number);
  if (reader.pos > end) throw tooLong(field);
  const count = packed ? packedItems(field, bytes) : 1;
  const inside = { ...place, path: [...place.path, field] };
  if (field.fieldKind === "list" || field.fieldKind === "map")
    items.set(field, boundItems(maxItems, (items.get(field) ?? 0) + count, inside.path));
  spend(place, count);
  if (field.fieldKind === "map" || field.message === undefined) return;
  const innerEnd = reader.pos;
  reader.pos = from;
  reader.uint32();
  const index = (items.get(field) ?? 1) - 1;
  scan(field.message, reader, innerEnd, below(field, index, inside));
}

/**
 * Throws `invalid_argument` for a message in JSON: as `boundBinary` does, and if a name is none of
 * its enum's. A decoder that ignores unknown fields ignores such names too, and a filter with a
 * misspelt name would select everything.
 */
export function boundJson(desc: DescMessage, json: JsonValue): void {
  walk(desc, json, start());
}

function walk(desc: DescMessage, json: JsonValue, place: Place): void {
  // The decoder refuses what is not an object. Well-known types have forms of their own.
  if (!isObject(json) || desc.typeName.startsWith("google.protobuf.")) return;
  for (const [name, value] of Object.entries(json)) {
    const known = shapeOf(desc).byName.get(name);
    if (known === undefined || value === null) spend(place, 1);
    else walkField(known, value, { ...place, path: [...place.path, known.field] });
  }
}

function walkField({ field, maxItems }: FieldShape, value: JsonValue, place: Place): void {
  const values = valuesIn(field, value);
  if (field.fieldKind === "list" || field.fieldKind === "map")
    boundItems(maxItems, values.length, place.path);
  spend(place, values.length);
  values.forEach((item, index) => {
    if (field.message !== undefined) walk(field.message, item, below(field, index, place));
    else if (field.enum !== undefined && typeof item === "string")
      checkName(field.enum, item, place.path);
  });
}

function valuesIn({ fieldKind }: DescField, value: JsonValue): readonly JsonValue[] {
  if (fieldKind === "list" && Array.isArray(value)) return value;
  return fieldKind === "map" && isObject(value) ? Object.values(value) : [value];
}

const isObject = (json: JsonValue): json is JsonObject =>
  typeof json === "object" && json !== null && !Array.isArray(json);

function checkName(desc: DescEnum, name: string, path: Path): void {
  if (!desc.values.some((value) => value.name === name))
    throw violationError(path, "enum.defined_only", `must be the name of a ${desc.name}`);
}

function spend({ used }: Place, values: number): void {
  used.values += values;
  if (used.values > MAX_VALUES)
    throw new ConnectError(
      `the message has more than ${MAX_VALUES} values; send fewer`,
      Code.InvalidArgument,
    );
}

/** Returns the place of a message in a field. */
function below(field: DescField, index: number, { used, path, depth }: Place): Place {
  if (depth >= MAX_DEPTH) throw new Error(`${pathToString(path.slice(0, 5))} is nested too deeply`);
  const inList = field.fieldKind === "list" ? [{ kind: "list_sub" as const, index }] : [];
  return { used, path: [...path, ...inList], depth: depth + 1 };
}

/** Returns the number of items unless it exceeds `max`. */
function boundItems(max: number, items: number, path: Path): number {
  if (items > max)
    throw violationError(path, "repeated.max_items", `must contain no more than ${max} item(s)`);
  return items;
}

/** By the field's rule. */
function maxItemsOf(field: DescField): number {
  if (!hasOption(field, fieldRules)) return MAX_VALUES;
  const { type } = getOption(field, fieldRules);
  const max = type.case === "repeated" ? Number(type.value.maxItems) : 0;
  return max === 0 ? MAX_VALUES : max;
}

interface FieldShape {
  readonly field: DescField;
  readonly wireType: WireType;
  readonly isPlain: boolean;
  /** Of a list or map. */
  readonly maxItems: number;
}

interface Shape {
  readonly byNumber: ReadonlyMap<number, FieldShape>;
  readonly byName: ReadonlyMap<string, FieldShape>;
}

const shapes = new WeakMap<DescMessage, Shape>();

function shapeOf(desc: DescMessage): Shape {
  const known = shapes.get(desc);
  if (known !== undefined) return known;
  const fields = desc.fields.map(fieldShape);
  const shape = {
    byNumber: new Map(fields.map((known) => [known.field.number, known])),
    byName: new Map(
      fields.flatMap((known) => [
        [known.field.name, known],
        [known.field.jsonName, known],
      ]),
    ),
  };
  shapes.set(desc, shape);
  return shape;
}

const fieldShape = (field: DescField): FieldShape => ({
  field,
  wireType: wireTypeOf(field),
  isPlain: field.fieldKind === "scalar" || field.fieldKind === "enum",
  maxItems: maxItemsOf(field),
});

function wireTypeOf(field: DescField): WireType {
  if (field.message !== undefined || field.fieldKind === "map") return WireType.LengthDelimited;
  return wireTypeOfScalar(scalarOf(field));
}

function wireTypeOfScalar(scalar: ScalarType | undefined): WireType {
  switch (scalar) {
    case ScalarType.STRING:
    case ScalarType.BYTES:
      return WireType.LengthDelimited;
    case ScalarType.DOUBLE:
    case ScalarType.FIXED64:
    case ScalarType.SFIXED64:
      return WireType.Bit64;
    case ScalarType.FLOAT:
    case ScalarType.FIXED32:
    case ScalarType.SFIXED32:
      return WireType.Bit32;
    default:
      return WireType.Varint;
  }
}

/** Undefined for enums. */
const scalarOf = (field: DescField): ScalarType | undefined =>
  "scalar" in field ? field.scalar : undefined;

const isPackable = (field: DescField): boolean =>
  field.fieldKind === "list" && wireTypeOf(field) !== WireType.LengthDelimited;

/** Returns the number of items in a packed field, given with its length. */
function packedItems(field: DescField, bytes: Uint8Array): number {
  const size = { [WireType.Bit32]: 4, [WireType.Bit64]: 8 }[wireTypeOf(field) as number];
  if (size !== undefined) return Math.ceil(bytes.length / size);
  return bytes.reduce((items, byte) => items + (byte < 0x80 ? 1 : 0), 0);
}

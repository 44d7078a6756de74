import {
  create,
  type DescEnum,
  type DescField,
  type DescFile,
  type DescMessage,
  type Message,
  ScalarType,
} from "@bufbuild/protobuf";
import { type ReflectMessage, reflect } from "@bufbuild/protobuf/reflect";
import { DurationSchema, FeatureSet_FieldPresence, TimestampSchema } from "@bufbuild/protobuf/wkt";

export interface Example {
  /** "status: ORDER_STATUS_PENDING" */
  readonly what: string;
  readonly message: Message;
}

/**
 * Returns messages that together use all of a contract: an empty one; one with every field, each
 * with a value of its own; and for each field one with every enum value, the least and the greatest
 * number, and present but empty, which covers each arm of a oneof.
 */
export function examplesOf(desc: DescMessage): Example[] {
  const everything =
    desc.fields.length === 0 ? [] : [{ what: "every field", message: filled(desc, counter()) }];
  const single = desc.fields.flatMap((field) =>
    valuesOf(field).map(([name, value]) => ({
      what: `${field.name}: ${name}`,
      message: withField(desc, field, value),
    })),
  );
  return [{ what: "nothing", message: create(desc) }, ...everything, ...single];
}

/** Returns the messages of files, including nested ones except map entries. */
export function messagesOf(files: readonly DescFile[]): DescMessage[] {
  const nested = (message: DescMessage): DescMessage[] => [
    message,
    ...message.nestedMessages.flatMap(nested),
  ];
  return files.flatMap(({ messages }) => messages.flatMap(nested));
}

type Next = () => number;

const counter = (): Next => {
  let n = 0;
  return () => ++n;
};

/** Leaves a message within its own kind empty. Of a oneof, the last arm stays. */
function filled(desc: DescMessage, next: Next, around: readonly DescMessage[] = []): Message {
  if (around.includes(desc)) return create(desc);
  const message = reflect(desc);
  if (isTime(desc)) return someTime(message, next).message;
  for (const field of desc.fields) {
    const value = () => someValue(field, next, [...around, desc]);
    if (field.fieldKind === "list")
      for (const item of [value(), value()]) message.get(field).add(item);
    else if (field.fieldKind === "map") message.get(field).set(`key ${next()}`, value());
    else message.set(field, value());
  }
  return message.message;
}

/** These have a JSON form of their own, with limits. */
const isTime = ({ typeName }: DescMessage): boolean =>
  typeName === TimestampSchema.typeName || typeName === DurationSchema.typeName;

function someTime(message: ReflectMessage, next: Next): ReflectMessage {
  for (const field of message.fields) {
    const n = next();
    message.set(field, field.name === "seconds" ? BigInt(1_700_000_000 + n) : n * 1_000_000);
  }
  return message;
}

/** Returns a value of the field, or an element of its list or map. */
function someValue(field: DescField, next: Next, around: readonly DescMessage[]): unknown {
  if (field.message) return reflect(field.message, filled(field.message, next, around));
  if (field.enum) return someEnumValue(field.enum, next());
  const n = next();
  switch (field.scalar) {
    case ScalarType.STRING:
      return `${field.name} ${n} ä€𝄞`;
    case ScalarType.BOOL:
      return true;
    case ScalarType.INT32:
      return n;
    case ScalarType.INT64:
      return BigInt(n);
    default:
      throw new Error(
        `${field.parent.typeName}.${field.name}: add an example of ${ScalarType[field.scalar ?? 0]} to src/example.ts`,
      );
  }
}

/** Never the first value, which is the unspecified one. */
function someEnumValue({ values, typeName }: DescEnum, n: number): number {
  const value = values[1 + (n % (values.length - 1))];
  if (value === undefined)
    throw new Error(`${typeName} has no other value than the unspecified one`);
  return value.number;
}

type Value = readonly [name: string, value: unknown];

/** Returns the values of a field besides the one in "every field". */
function valuesOf(field: DescField): readonly Value[] {
  if (field.fieldKind === "message") return [["empty", reflect(field.message)]];
  if (field.enum)
    return field.enum.values
      .filter(({ number }) => number !== 0 || hasPresence(field))
      .map(({ name, number }) => [name, number]);
  if (field.fieldKind !== "scalar") return [];
  const zero: Value = ["empty", zeros[field.scalar] ?? 0];
  return [...(ranges[field.scalar] ?? []), ...(hasPresence(field) ? [zero] : [])];
}

/** Without presence, a zero value is not on the wire. */
const hasPresence = (field: DescField): boolean =>
  field.fieldKind === "list" ||
  (field.fieldKind !== "map" && field.presence !== FeatureSet_FieldPresence.IMPLICIT);

const range = (least: number | bigint, greatest: number | bigint): readonly Value[] => [
  ["the least", least],
  ["the greatest", greatest],
];
const ranges: Partial<Record<ScalarType, readonly Value[]>> = {
  [ScalarType.INT32]: range(-(2 ** 31), 2 ** 31 - 1),
  [ScalarType.INT64]: range(-(2n ** 63n), 2n ** 63n - 1n),
};
const zeros: Partial<Record<ScalarType, unknown>> = {
  [ScalarType.STRING]: "",
  [ScalarType.INT64]: 0n,
  [ScalarType.BOOL]: false,
};

function withField(desc: DescMessage, field: DescField, value: unknown): Message {
  const message = reflect(desc);
  if (field.fieldKind === "list") message.get(field).add(value);
  else message.set(field, value);
  return message.message;
}

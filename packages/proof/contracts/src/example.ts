import {
  create,
  type DescEnum,
  type DescField,
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
 * Messages that together use all that a contract can say: nothing; every field, each with a value
 * of its own; and of single fields each value of an enum, the least and the greatest number, what
 * is there and empty, and so each arm of a oneof.
 */
export function examplesOf(desc: DescMessage): Example[] {
  const everything =
    desc.fields.length === 0 ? [] : [{ what: "every field", message: filled(desc, counter()) }];
  const single = desc.fields.flatMap((field) =>
    valuesOf(field).map(({ name, value }) => ({
      what: `${field.name}: ${name}`,
      message: withField(desc, field, value),
    })),
  );
  return [{ what: "nothing", message: create(desc) }, ...everything, ...single];
}

type Next = () => number;

const counter = (): Next => {
  let n = 0;
  return () => ++n;
};

/**
 * A message inside of one of its own kind is left empty. Of the arms of a oneof the last one stays.
 */
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

/** These two have a JSON form of their own, which has limits. */
const isTime = ({ typeName }: DescMessage): boolean =>
  [TimestampSchema.typeName, DurationSchema.typeName].some((one) => one === typeName);

function someTime(message: ReflectMessage, next: Next): ReflectMessage {
  for (const field of message.fields)
    message.set(
      field,
      field.name === "seconds" ? BigInt(1_700_000_000 + next()) : next() * 1_000_000,
    );
  return message;
}

/** Of the field, or of its list or map. */
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
        `${field.parent.typeName}.${field.name}: say here what an example of ${ScalarType[field.scalar ?? 0]} is`,
      );
  }
}

/** Never the first one, which says nothing. */
function someEnumValue({ values, typeName }: DescEnum, n: number): number {
  const value = values[1 + (n % (values.length - 1))];
  if (value === undefined) throw new Error(`${typeName} says nothing`);
  return value.number;
}

interface Value {
  readonly name: string;
  readonly value: unknown;
}

/** What one field can say besides what it says in "every field". */
function valuesOf(field: DescField): Value[] {
  if (field.fieldKind === "message") return [{ name: "empty", value: reflect(field.message) }];
  if (field.enum)
    return field.enum.values.filter(({ number }) => number !== 0 || saysZero(field)).map(toValue);
  return field.fieldKind === "scalar"
    ? [...(ranges[field.scalar] ?? []), ...(saysZero(field) ? zeros(field.scalar) : [])]
    : [];
}

const toValue = ({ name, number }: { readonly name: string; readonly number: number }): Value => ({
  name,
  value: number,
});

/** Elsewhere the zero value is not on the wire. */
const saysZero = (field: DescField): boolean =>
  field.fieldKind === "list" ||
  (field.fieldKind !== "map" && field.presence !== FeatureSet_FieldPresence.IMPLICIT);

const ranges: Partial<Record<ScalarType, readonly Value[]>> = {
  [ScalarType.INT32]: [
    { name: "the least", value: -(2 ** 31) },
    { name: "the greatest", value: 2 ** 31 - 1 },
  ],
  [ScalarType.INT64]: [
    { name: "the least", value: -(2n ** 63n) },
    { name: "the greatest", value: 2n ** 63n - 1n },
  ],
};

function zeros(type: ScalarType): Value[] {
  const zero =
    type === ScalarType.STRING
      ? ""
      : type === ScalarType.INT64
        ? 0n
        : type === ScalarType.BOOL
          ? false
          : 0;
  return [{ name: "empty", value: zero }];
}

function withField(desc: DescMessage, field: DescField, value: unknown): Message {
  const message = reflect(desc);
  if (field.fieldKind === "list") message.get(field).add(value);
  else message.set(field, value);
  return message.message;
}

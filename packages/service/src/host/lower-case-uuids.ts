import {
  type DescField,
  type DescMessage,
  getOption,
  hasOption,
  type Message,
} from "@bufbuild/protobuf";
import type { Interceptor } from "@connectrpc/connect";
import { field as fieldRules } from "@tercet/gen/buf/validate/validate";

/**
 * Converts every UUID of a request to lower case: RFC 9562 reads both cases as the same id, and ids
 * are stored, compared and hashed as text. A field is a UUID if its rule says so. It follows
 * validation, which accepts both cases, and precedes the handler, which sees one spelling.
 */
export const lowerCaseUuids: Interceptor = (next) => (req) => {
  if (!req.stream) lowerCaseUuidsIn(req.method.input, req.message as Message);
  return next(req.stream ? { ...req, message: convertAll(req.method.input, req.message) } : req);
};

/** Converts the UUIDs of one message. Not by reflection, which takes longer than decoding it. */
export const lowerCaseUuidsIn = (desc: DescMessage, message: Message): void =>
  convert(desc, message as unknown as Values);

async function* convertAll(desc: DescMessage, messages: AsyncIterable<Message>) {
  for await (const message of messages) {
    lowerCaseUuidsIn(desc, message);
    yield message;
  }
}

/** The fields of a message by their local names; of a oneof, its case and value. */
type Values = Record<string, unknown>;

function convert(desc: DescMessage, message: Values): void {
  for (const { field, isUuid } of fieldsOf(desc)) {
    const holder = field.oneof === undefined ? message : chosen(message, field);
    const name = field.oneof === undefined ? field.localName : "value";
    const value = holder?.[name];
    if (holder === undefined || value === undefined) continue;
    if (isUuid && typeof value === "string") holder[name] = value.toLowerCase();
    else if (field.fieldKind === "message" && field.message !== undefined)
      convert(field.message, value as Values);
    else if (field.fieldKind === "list" && field.message !== undefined)
      for (const item of value as Values[]) convert(field.message, item);
  }
}

/** Returns the oneof of the field if the field is the one that is set. */
function chosen(message: Values, { oneof, localName }: DescField): Values | undefined {
  const holder = message[oneof?.localName ?? ""] as Values | undefined;
  return holder?.["case"] === localName ? holder : undefined;
}

interface Field {
  readonly field: DescField;
  readonly isUuid: boolean;
}

const known = new WeakMap<DescMessage, readonly Field[]>();

/** Returns the fields that are UUIDs or may contain some. */
function fieldsOf(desc: DescMessage): readonly Field[] {
  const fields =
    known.get(desc) ??
    desc.fields
      .map((field) => ({ field, isUuid: isUuid(field) }))
      .filter(({ field, isUuid }) => isUuid || field.message !== undefined);
  known.set(desc, fields);
  return fields;
}

function isUuid(field: Field["field"]): boolean {
  if (!hasOption(field, fieldRules)) return false;
  const { type } = getOption(field, fieldRules);
  return type.case === "string" && type.value.wellKnown.case === "uuid";
}

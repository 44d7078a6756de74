import { type DescMessage, getOption, hasOption, type Message } from "@bufbuild/protobuf";
import { type ReflectMessage, reflect } from "@bufbuild/protobuf/reflect";
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

/** Converts the UUIDs of one message. */
export const lowerCaseUuidsIn = (desc: DescMessage, message: Message): void =>
  convert(reflect(desc, message));

async function* convertAll(desc: DescMessage, messages: AsyncIterable<Message>) {
  for await (const message of messages) {
    lowerCaseUuidsIn(desc, message);
    yield message;
  }
}

function convert(message: ReflectMessage): void {
  for (const { field, isUuid } of fieldsOf(message.desc)) {
    if (!message.isSet(field)) continue;
    if (isUuid && field.fieldKind === "scalar")
      message.set(field, String(message.get(field)).toLowerCase());
    else if (field.fieldKind === "message") convert(message.get(field));
    else if (field.fieldKind === "list" && field.listKind === "message")
      for (const item of message.get(field)) convert(item as ReflectMessage);
  }
}

interface Field {
  readonly field: DescMessage["fields"][number];
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

import { type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";

export type Json = Record<string, unknown>;

/**
 * The fields of a message that hold text, as paths of JSON names: `["items", "sku"]`. Messages of
 * Google's have their own forms in JSON.
 */
export function textFields(message: DescMessage): string[][] {
  return message.fields.flatMap((field) => {
    if (isText(field)) return [[field.jsonName]];
    if (field.message === undefined || field.message.typeName.startsWith("google.protobuf."))
      return [];
    return textFields(field.message).map((path) => [field.jsonName, ...path]);
  });
}

const isText = (field: DescField): boolean =>
  (field.fieldKind === "scalar" || field.fieldKind === "list") &&
  field.scalar === ScalarType.STRING;

/**
 * Returns a copy of the message with this text at the path, in the first element of a list. Missing
 * messages on the way are created.
 */
export function withText(
  message: Json,
  [first = "", ...rest]: readonly string[],
  text: string,
): Json {
  if (rest.length === 0) return { ...message, [first]: text };
  const present = message[first];
  if (Array.isArray(present))
    return { ...message, [first]: [withText(present[0] as Json, rest, text), ...present.slice(1)] };
  return { ...message, [first]: withText((present ?? {}) as Json, rest, text) };
}

import { type DescField, type DescMessage, getOption, type MessageShape } from "@bufbuild/protobuf";
import { type FieldRules, field as fieldOption } from "@tercet/gen/buf/validate/validate";

/**
 * Returns what is wrong with each text field of the message, by the schema's own rules. Those of
 * strings, which are all that a person types; the service checks every rule. Not protovalidate: it
 * would be a third of the console's JavaScript (docs/decisions/0092).
 */
export function problemsOf<Desc extends DescMessage>(
  schema: Desc,
  message: MessageShape<Desc>,
): Readonly<Record<string, string>> {
  return Object.fromEntries(
    schema.fields.flatMap((field) => {
      const value: unknown = Reflect.get(message, field.localName);
      const problem = typeof value === "string" ? problemOf(field, value) : undefined;
      return problem === undefined ? [] : [[field.localName, problem]];
    }),
  );
}

const EMAIL = /^[^\s@]+@[^\s@]+$/;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

function problemOf(field: DescField, value: string): string | undefined {
  const rules: FieldRules = getOption(field, fieldOption);
  if (rules.type.case !== "string") return undefined;
  const { minLen, maxLen, pattern, wellKnown } = rules.type.value;
  const length = BigInt([...value].length);
  const required = minLen > 0n || wellKnown.value === true;
  if (value === "") return required ? "This is needed." : undefined;
  if (length < minLen) return `At least ${minLen} characters.`;
  if (maxLen > 0n && length > maxLen) return `At most ${maxLen} characters.`;
  if (wellKnown.case === "email" && !EMAIL.test(value)) return "This is not an email address.";
  if (wellKnown.case === "uuid" && !UUID.test(value)) return "This is not an id.";
  if (pattern !== "" && !toRegExp(pattern).test(value))
    return "This has characters that are not allowed.";
  return undefined;
}

/** The schema's patterns are RE2's, which writes a code point as `\x{2028}`. */
const toRegExp = (pattern: string): RegExp => new RegExp(pattern.replaceAll("\\x{", "\\u{"), "u");

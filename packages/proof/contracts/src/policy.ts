import { readFile, writeFile } from "node:fs/promises";
import {
  type DescField,
  type DescMessage,
  type DescMethod,
  getOption,
  hasOption,
  toJson,
} from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import { ourServices } from "@tercet/gateway";
import { FieldRulesSchema, field as rules } from "@tercet/gen/buf/validate/validate";
import { AccessSchema, access } from "@tercet/gen/common/v1/access";
import { POLICY } from "./folder.ts";

const HEADER = `# Access and idempotency of each method, and the rules for each field of a request or of a message
# in it ({}: no rule). Written from proto/ by \`pnpm contracts accept\`. A changed line changes what
# callers may do: say why in the commit.
`;

/** Resolves to a line for each difference between contracts and committed policy. */
export async function policyProblems(): Promise<string[]> {
  const made = withParents(await policyText());
  const committed = withParents(await readFile(POLICY, "utf8").catch(() => ""));
  const [gone, added] = [without(committed, made), without(made, committed)];
  return [
    ...gone.map((line) => `not in the contracts any more: ${line}`),
    ...added.map((line) => `not in the committed policy: ${line}`),
  ];
}

const without = (all: ReadonlySet<string>, some: ReadonlySet<string>): string[] =>
  [...all].filter((line) => !some.has(line));

export async function acceptPolicy(): Promise<void> {
  await writeFile(POLICY, await policyText());
}

/** Returns lines with their parents: "order.v1.OrderService: CreateOrder: …". */
function withParents(text: string): Set<string> {
  let parent = "";
  const lines = text.split("\n").flatMap((line) => {
    if (line.startsWith(" ")) return [`${parent} ${line.trim()}`];
    parent = line;
    return [];
  });
  return new Set(lines);
}

async function policyText(): Promise<string> {
  const services = await ourServices();
  const requests = new Map<string, DescMessage>();
  for (const { input } of services.flatMap(({ methods }) => methods)) collect(input, requests);
  const sections = [
    ...services.map(({ typeName, methods }) => section(typeName, methods, methodPolicy)),
    ...[...requests].map(([typeName, { fields }]) => section(typeName, fields, fieldRules)),
  ];
  return `${HEADER}\n${sections.sort().join("\n\n")}\n`;
}

/** Adds a message and those of its fields, except Google's. */
function collect(message: DescMessage, found: Map<string, DescMessage>): void {
  if (found.has(message.typeName) || message.typeName.startsWith("google.")) return;
  found.set(message.typeName, message);
  for (const inner of message.fields) if (inner.message) collect(inner.message, found);
}

function section<T extends DescMethod | DescField>(
  typeName: string,
  members: readonly T[],
  policyOf: (member: T) => unknown,
): string {
  const lines = members.map((one) => `  ${one.name}: ${JSON.stringify(policyOf(one))}`);
  return lines.length === 0 ? `${typeName}: {}` : [`${typeName}:`, ...lines].join("\n");
}

const methodPolicy = (method: DescMethod) => ({
  access: hasOption(method, access) ? toJson(AccessSchema, getOption(method, access)) : {},
  idempotency: MethodOptions_IdempotencyLevel[method.idempotency],
});

const fieldRules = (field: DescField) =>
  hasOption(field, rules) ? toJson(FieldRulesSchema, getOption(field, rules)) : {};

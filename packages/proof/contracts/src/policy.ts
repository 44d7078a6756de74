import { readFile, writeFile } from "node:fs/promises";
import {
  type DescField,
  type DescMessage,
  type DescMethod,
  type DescService,
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
  const made = (await policyText()).split("\n");
  const committed = (await readFile(POLICY, "utf8").catch(() => "")).split("\n");
  const [were, are] = [withParents(committed), withParents(made)];
  return [
    ...were
      .filter((line) => !are.includes(line))
      .map((line) => `not in the contracts any more: ${line}`),
    ...are
      .filter((line) => !were.includes(line))
      .map((line) => `not in the committed policy: ${line}`),
  ];
}

export async function acceptPolicy(): Promise<void> {
  await writeFile(POLICY, await policyText());
}

/** Prefixes lines: "order.v1.OrderService: CreateOrder: …". */
function withParents(lines: readonly string[]): string[] {
  let parent = "";
  return lines.flatMap((line) => {
    if (!line.startsWith(" ")) parent = line;
    return line.startsWith(" ") ? [`${parent} ${line.trim()}`] : [];
  });
}

async function policyText(): Promise<string> {
  const services = await ourServices();
  const requests = new Map<string, DescMessage>();
  for (const { input } of services.flatMap(({ methods }) => methods)) collect(input, requests);
  const sections = [...services.map(serviceSection), ...[...requests.values()].map(messageSection)];
  return `${HEADER}\n${sections.sort().join("\n\n")}\n`;
}

/** Adds a message and those of its fields, except Google's. */
function collect(message: DescMessage, found: Map<string, DescMessage>): void {
  if (found.has(message.typeName) || message.typeName.startsWith("google.")) return;
  found.set(message.typeName, message);
  for (const inner of message.fields) if (inner.message) collect(inner.message, found);
}

const serviceSection = ({ typeName, methods }: DescService): string =>
  [`${typeName}:`, ...methods.map(methodLine)].join("\n");

function methodLine(method: DescMethod): string {
  const who = hasOption(method, access) ? toJson(AccessSchema, getOption(method, access)) : {};
  return `  ${method.name}: ${JSON.stringify({ access: who, idempotency: MethodOptions_IdempotencyLevel[method.idempotency] })}`;
}

function messageSection({ typeName, fields }: DescMessage): string {
  return fields.length === 0
    ? `${typeName}: {}`
    : [`${typeName}:`, ...fields.map(fieldLine)].join("\n");
}

const fieldLine = (field: DescField): string =>
  `  ${field.name}: ${JSON.stringify(hasOption(field, rules) ? toJson(FieldRulesSchema, getOption(field, rules)) : {})}`;

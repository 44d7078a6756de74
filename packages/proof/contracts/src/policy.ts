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
import { FieldRulesSchema, field as rules } from "@tercet/gen/buf/validate/validate";
import { AccessSchema, access } from "@tercet/gen/common/v1/access";
import { contractFiles } from "./contracts.ts";
import { POLICY } from "./folder.ts";

const HEADER = `# Who may call each method and whether it can be repeated; what each field of a request must be, also inside of other messages ({}: anything).
# Written by \`pnpm contracts accept\` from proto/. A line that changes here changes what callers may do: say why in the commit.
`;

/** How the policy in the contracts differs from the committed one, a line each. */
export async function policyProblems(): Promise<string[]> {
  const made = (await policyText()).split("\n");
  const committed = (await readFile(POLICY, "utf8").catch(() => "")).split("\n");
  const [were, are] = [withParents(committed), withParents(made)];
  return [
    ...were
      .filter((line) => !are.includes(line))
      .map((line) => `the contracts no longer say: ${line}`),
    ...are
      .filter((line) => !were.includes(line))
      .map((line) => `the committed policy does not say: ${line}`),
  ];
}

export async function acceptPolicy(): Promise<void> {
  await writeFile(POLICY, await policyText());
}

/** "order.v1.OrderService: CreateOrder: …", so that a line tells where it stands. */
function withParents(lines: readonly string[]): string[] {
  let parent = "";
  return lines.flatMap((line) => {
    if (!line.startsWith(" ")) parent = line;
    return line.startsWith(" ") ? [`${parent} ${line.trim()}`] : [];
  });
}

async function policyText(): Promise<string> {
  const services = (await contractFiles()).flatMap((file) => file.services);
  const requests = new Map<string, DescMessage>();
  for (const { input } of services.flatMap(({ methods }) => methods)) reach(input, requests);
  const sections = [...services.map(serviceSection), ...[...requests.values()].map(messageSection)];
  return `${HEADER}\n${sections.sort().join("\n\n")}\n`;
}

/** A message and those of ours that it is made of. */
function reach(message: DescMessage, found: Map<string, DescMessage>): void {
  if (found.has(message.typeName) || message.typeName.startsWith("google.")) return;
  found.set(message.typeName, message);
  for (const inner of message.fields) if (inner.message) reach(inner.message, found);
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

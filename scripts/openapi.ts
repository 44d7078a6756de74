/**
 * `node --conditions=source scripts/openapi.ts [--check]`: writes or checks the OpenAPI 3.1 of our
 * contracts. protoc-gen-connect-openapi makes it of proto/ with its comments and rules; this adds
 * what only we know: who may call a method, its error reasons, and an example.
 */

import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type DescMethod, fromJson, type JsonObject } from "@bufbuild/protobuf";
import { ROOT, services, temporaryFolder } from "@tercet/cli/repository";
import { ourServices } from "@tercet/gateway/our-services";
import { accessOf } from "@tercet/service";
import { execa } from "execa";
import { splitReasons } from "./openapi/reasons.ts";

const FILE = "packages/console/public/openapi.json";
/**
 * One request for each method, as Connect JSON. A method without one fails the check; a field that
 * the contract does not have fails the generation.
 */
const EXAMPLES_FILE = "scripts/openapi/examples.json";
const examples = JSON.parse(await readFile(join(ROOT, EXAMPLES_FILE), "utf8")) as Readonly<
  Record<string, JsonObject>
>;
const withoutExample: string[] = [];
const OPENAPI_TOOL = "protoc-gen-connect-openapi";

/** As the access option names the roles, and tokens carry them. */
const ROLE_NAMES = ["", "customer", "operator", "admin", "service"] as const;

type AccessRule = NonNullable<ReturnType<typeof accessOf>>;

interface Operation {
  [key: string]: unknown;
  description?: string;
  parameters?: unknown[];
  requestBody?: { content: Record<string, { schema: unknown; example?: unknown }> };
}

interface Document {
  info: object;
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, unknown>; securitySchemes?: object };
  [key: string]: unknown;
}

/** Generates the document. */
async function generate(): Promise<string> {
  await using folder = await temporaryFolder("openapi");
  const packages = ["common", ...services.map(({ name }) => name)];
  const paths = packages.flatMap((name) => ["--path", `proto/${name}`]);
  const template = {
    version: "v2",
    plugins: [
      {
        local: OPENAPI_TOOL,
        out: folder.path,
        strategy: "all",
        opt: [
          "format=json",
          "path=openapi.json",
          "features=connectrpc;protovalidate",
          "content-types=json",
          "short-operation-ids",
          "with-streaming",
        ],
      },
    ],
  };
  await execa("buf", ["generate", "proto", "--template", JSON.stringify(template), ...paths], {
    cwd: ROOT,
    preferLocal: true,
  });
  const written = await readFile(join(folder.path, "openapi.json"), "utf8");
  // RE2 writes a code point as `\x{2028}`; ECMA-262, which JSON Schema names, as `\u2028`.
  const made = JSON.parse(written.replaceAll(/\\\\x\{([0-9a-f]{4})\}/g, "\\\\u$1")) as Document;
  return `${JSON.stringify(await completed(made), null, 1)}\n`;
}

async function completed(document: Document): Promise<Document> {
  // No gateway routes internal methods.
  const methods = (await ourServices())
    .flatMap(({ methods }) => methods)
    .filter((method) => accessOf(method)?.internal !== true);
  const paths = Object.fromEntries(
    methods.map((method) => {
      const name = `${method.parent.typeName}/${method.name}`;
      const { post } = document.paths[`/${name}`] ?? {};
      if (post === undefined) throw new Error(`${OPENAPI_TOOL} has left out ${name}`);
      return [`/${name}`, { post: completedOperation(post, method, name) }];
    }),
  );
  const { schemas } = document.components;
  const used = Object.entries(schemas).filter(([name]) => !/^(buf|grpc)\./.test(name));
  return {
    ...document,
    info: {
      title: "Tercet",
      version: "1",
      description:
        "Identity, Order and Payment as Connect JSON over HTTP. The same methods are there as gRPC and gRPC-Web, at the same address. 64-bit integers are JSON strings.",
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    servers: [{ url: "/" }],
    paths,
    components: {
      ...document.components,
      schemas: Object.fromEntries(used),
      securitySchemes: { bearer: { type: "http", scheme: "bearer", bearerFormat: "JWT" } },
    },
  };
}

function completedOperation(operation: Operation, method: DescMethod, name: string): Operation {
  const example = examples[name];
  if (example === undefined) withoutExample.push(name);
  else fromJson(method.input, example);
  const rule = accessOf(method);
  if (rule === undefined) throw new Error(`${name} has no access option`);
  const { text, reasons } = splitReasons(operation.description ?? "");
  const [[type, content] = ["application/json", { schema: {} }]] = Object.entries(
    operation.requestBody?.content ?? {},
  );
  return {
    ...operation,
    description: text,
    // Connect does not ask for it, and a person who tries a method need not know it.
    parameters:
      operation.parameters?.filter(
        (parameter) => (parameter as { name?: string }).name !== "Connect-Protocol-Version",
      ) ?? [],
    requestBody: {
      ...operation.requestBody,
      content: { [type]: { ...content, ...(example && { example }) } },
    },
    security: rule.public ? [] : [{ bearer: [] }],
    "x-access": accessText(rule),
    "x-reasons": reasons,
  };
}

function accessText({ public: isPublic, authenticated, roles, owner }: AccessRule): string[] {
  if (isPublic) return ["anyone"];
  if (authenticated) return ["anyone signed in"];
  return [
    ...(owner ? ["customer, their own"] : []),
    ...roles.map((role) => ROLE_NAMES[role] ?? ""),
  ];
}

const { values } = parseArgs({ options: { check: { type: "boolean" } } });
const path = join(ROOT, FILE);
const text = await generate();
if (values.check === true && withoutExample.length > 0) {
  process.stderr.write(`${EXAMPLES_FILE} lacks ${withoutExample.join(", ")}\n`);
  process.exitCode = 1;
}
if (values.check !== true) await writeFile(path, text);
else if (text !== (await readFile(path, "utf8").catch(() => ""))) {
  process.stderr.write(`${FILE} differs from the contracts: run pnpm generate\n`);
  process.exitCode = 1;
}

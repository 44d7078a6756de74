import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ROOT, services } from "@tercet/cli/repository";
import { copyTemplate, insertBefore } from "./copy.ts";
import { renamed, spellingOf } from "./spelling.ts";

export interface NewService {
  /** "shipping" */
  readonly name: string;
  /** What it keeps, in the singular: "parcel". */
  readonly resource: string;
  readonly port: number;
}

const NAME = /^[a-z][a-z0-9]{1,29}$/;
/** Of folders, of containers and of the stack's own ports. */
const TAKEN = [
  ...[
    "service",
    "group",
    "saga",
    "cli",
    "stack",
    "proof",
    "common",
    "grpc",
    "buf",
    "google",
    "gen",
  ],
  ...["postgres", "mongodb", "kong", "collector", "jaeger", "loki", "prometheus", "grafana"],
  ...["edge", "alertmanager", "acme", "test", "infra", "scripts", "gateway", "perf"],
];
const FILES = [
  ...["config", "errors", "events", "failpoints", "index", "main", "message", "migrate"],
  ...["backup", "restore", "routes", "schema", "store", "widget"],
];

/** Of requests in the API reference. */
const EXAMPLE_ID = "01a2210e-1111-7555-b46a-c34f7b0201ec";

/** Returns what speaks against it, one sentence each. */
export function serviceProblems({ name, resource, port }: NewService): string[] {
  const unless = (holds: boolean, problem: string) => (holds ? [] : [problem]);
  const other = services.find((one) => one.port === port || one.grpcPort === port);
  return [
    ...unless(NAME.test(name), `the name "${name}" must be 2 to 30 lower-case letters and digits`),
    ...unless(!TAKEN.includes(name), `the name ${name} is used by something else`),
    ...unless(
      !existsSync(join(ROOT, "packages", name)) && !existsSync(join(ROOT, "proto", name)),
      `packages/${name} or proto/${name} is there already`,
    ),
    ...unless(
      NAME.test(resource) && resource !== name && !FILES.includes(resource),
      `the resource "${resource}" must be 2 to 30 lower-case letters and digits, not ${name} and none of ${FILES.join(", ")}`,
    ),
    ...unless(
      Number.isInteger(port) && port >= 1024 && port <= 65_535,
      `the port ${port} must be from 1024 to 65535`,
    ),
    ...unless(other === undefined, `the port ${port} is ${other?.name}'s`),
  ];
}

/** Writes the folder, the proto and the entry of a service. Resolves to the paths of new files. */
export async function writeService({ name, resource, port }: NewService): Promise<string[]> {
  const rename = (text: string) =>
    renamed(renamed(text, "acme", spellingOf(name)), "widget", spellingOf(resource)).replace(
      "serviceEnv(5019)",
      `serviceEnv(${port})`,
    );
  const { pascal } = spellingOf(name);
  const written = [
    ...(await copyTemplate("service/proto", `proto/${name}/v1`, rename)),
    ...(await copyTemplate("service/package", `packages/${name}`, rename)),
  ];
  await insertBefore(
    "packages/cli/src/services.ts",
    "] as const satisfies readonly ServiceEntry[];",
    `  {
    name: "${name}",
    port: ${port},
    grpcPort: ${Math.max(...services.map(({ grpcPort }) => grpcPort)) + 1},
    protoServices: ["${name}.v1.${pascal}Service"],
    database: { name: "${name}", kinds: ["postgres"] },
    calls: [],
  },
`,
  );
  const noun = spellingOf(resource);
  await addExamples(`${name}.v1.${pascal}Service`, {
    [`Create${noun.pascal}`]: { name: `my ${resource}`, requestId: EXAMPLE_ID },
    [`Get${noun.pascal}`]: { [`${noun.camel}Id`]: EXAMPLE_ID },
  });
  const everyMethod = "packages/proof/e2e/test/every-method.test.ts";
  await insertBefore(
    everyMethod,
    "};\nconst methods = (await ourServices())",
    `  Create${noun.pascal}: () => ({ name: "canary", requestId: id() }),
  Get${noun.pascal}: () => ({ ${noun.camel}Id: id() }),
`,
  );
  await insertBefore(
    everyMethod,
    "};\n\n/** Makes something that belongs to the caller",
    `  Create${noun.pascal}: ["customer"],
  Get${noun.pascal}: ["customer", "operator"],
`,
  );
  await insertBefore(
    everyMethod,
    "};\n\n/** The methods for owners",
    `  ${noun.camel}Id: async (owner) => (await made("Create${noun.pascal}", owner))["id"],
`,
  );
  return written;
}

/** Adds a request for each method to those of the API reference. */
async function addExamples(
  service: string,
  requests: Readonly<Record<string, object>>,
): Promise<void> {
  const file = join(ROOT, "scripts/openapi/examples.json");
  const examples = (await readFile(file, "utf8")).replace(/\n\}\n$/, "");
  const added = Object.entries(requests).map(
    ([method, request]) =>
      `  "${service}/${method}": ${JSON.stringify(request, null, 2).replaceAll("\n", "\n  ")}`,
  );
  await writeFile(file, `${[examples, ...added].join(",\n")}\n}\n`);
}

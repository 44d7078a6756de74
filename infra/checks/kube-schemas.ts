import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execute, toolsFolder } from "@tercet/cli/repository";
import { parse } from "yaml";

/** The version that manifests are checked against. They need 1.30 or later: preStop's sleep. */
export const KUBERNETES = "1.37.2";
const OPERATOR_MODULE = "github.com/prometheus-operator/prometheus-operator";
const PROMETHEUS_OPERATOR = "0.85.0";
/** Of the operator, as its files name them. */
const CUSTOM_KINDS = ["servicemonitors", "podmonitors", "prometheusrules", "alertmanagerconfigs"];

/** Of the API server: its OpenAPI 2 as it is in the Go module. */
interface OpenApi {
  readonly definitions: Readonly<Record<string, JsonSchema>>;
}

interface Crd {
  readonly spec: {
    readonly group: string;
    readonly names: { readonly kind: string };
    readonly versions: readonly {
      readonly name: string;
      readonly schema: { readonly openAPIV3Schema: JsonSchema };
    }[];
  };
}

export interface JsonSchema {
  readonly [keyword: string]: unknown;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
}

interface Kind {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
}

const KINDS = "x-kubernetes-group-version-kind";

/** The names of the files in the folder, for kubeconform. */
export const SCHEMA_FILES = "{{.ResourceKind}}{{.KindSuffix}}.json";

/**
 * Returns a folder with a JSON schema of every kind, made once for every checkout: kubeconform
 * would fetch them one by one. They are in the Go modules of Kubernetes and of the Prometheus
 * operator. Undefined if these cannot be downloaded.
 */
export async function kubeSchemas(): Promise<string | undefined> {
  const versions = [KUBERNETES, PROMETHEUS_OPERATOR, ...CUSTOM_KINDS];
  const folder = join(toolsFolder, `kube-schemas-${versions.join("-")}`);
  if (existsSync(folder)) return folder;
  const kubernetes = await downloaded("k8s.io/kubernetes", KUBERNETES);
  const operator = await downloaded(OPERATOR_MODULE, PROMETHEUS_OPERATOR);
  if (kubernetes === undefined || operator === undefined) return undefined;
  await mkdir(toolsFolder, { recursive: true });
  const scratch = await mkdtemp(join(toolsFolder, "building-"));
  try {
    const schemas = [...(await builtInSchemas(kubernetes)), ...(await customSchemas(operator))];
    for (const [name, schema] of schemas)
      await writeFile(join(scratch, name), JSON.stringify(schema));
    // Another run may have made the same folder meanwhile.
    await rename(scratch, folder).catch((error) => {
      if (!existsSync(folder)) throw error;
    });
    return folder;
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function downloaded(module: string, version: string): Promise<string | undefined> {
  const download = ["mod", "download", "-json", `${module}@v${version}`];
  const { code, stdout } = await execute("go", download, tmpdir());
  return code === 0 ? (JSON.parse(stdout) as { Dir: string }).Dir : undefined;
}

type SchemaFile = readonly [name: string, schema: JsonSchema];

async function builtInSchemas(module: string): Promise<SchemaFile[]> {
  const swagger = await readFile(join(module, "api/openapi-spec/swagger.json"), "utf8");
  const strict = strictSchemas((JSON.parse(swagger) as OpenApi).definitions);
  return Object.values(strict).flatMap((schema): SchemaFile[] => {
    // One that is of many kinds is for the API itself, as DeleteOptions are.
    const [kind, ...more] = (schema[KINDS] ?? []) as readonly Kind[];
    return kind === undefined || more.length > 0
      ? []
      : [[fileOf(kind), { ...schema, definitions: reachable(schema, strict) }]];
  });
}

/**
 * Returns the definitions of the operator's kinds that the charts use. Undefined if its module
 * cannot be downloaded.
 */
export async function customResources(): Promise<string[] | undefined> {
  const module = await downloaded(OPERATOR_MODULE, PROMETHEUS_OPERATOR);
  return module === undefined
    ? undefined
    : await Promise.all(CUSTOM_KINDS.map((name) => customResource(module, name)));
}

const customResource = (module: string, name: string): Promise<string> =>
  readFile(
    join(module, `example/prometheus-operator-crd/monitoring.coreos.com_${name}.yaml`),
    "utf8",
  );

async function customSchemas(module: string): Promise<SchemaFile[]> {
  const crds = CUSTOM_KINDS.map(async (name) => {
    const { spec } = parse(await customResource(module, name)) as Crd;
    const { group, names } = spec;
    return spec.versions.map(
      ({ name: version, schema }): SchemaFile => [
        fileOf({ group, version, kind: names.kind }),
        strictSchema(schema.openAPIV3Schema),
      ],
    );
  });
  return (await Promise.all(crds)).flat();
}

/** As kubeconform says KindSuffix: the first part of the group, then the version. */
const fileOf = ({ group, version, kind }: Kind): string =>
  `${[kind.toLowerCase(), group.split(".")[0], version].filter((part) => part !== "").join("-")}.json`;

/**
 * Of OpenAPI, in JSON schema: nothing but what is described, and those few that are written as a
 * number or a string.
 */
function strictSchema(schema: JsonSchema): JsonSchema {
  const { format, ...rest } = schema;
  if (format === "int-or-string" || rest["x-kubernetes-int-or-string"] === true)
    return { anyOf: [{ type: "integer" }, { type: "string" }] };
  const inner = Object.fromEntries(
    Object.entries(rest).map(([keyword, value]) => [keyword, strictValue(keyword, value)]),
  );
  const isOpen =
    "additionalProperties" in schema || schema["x-kubernetes-preserve-unknown-fields"] === true;
  return schema.properties === undefined || isOpen
    ? inner
    : { ...inner, additionalProperties: false };
}

const strictSchemas = (schemas: Readonly<Record<string, JsonSchema>>) =>
  Object.fromEntries(Object.entries(schemas).map(([name, schema]) => [name, strictSchema(schema)]));

function strictValue(keyword: string, value: unknown): unknown {
  if (keyword === "properties") return strictSchemas(value as Record<string, JsonSchema>);
  const isSchema =
    (keyword === "items" || keyword === "additionalProperties") &&
    typeof value === "object" &&
    value !== null;
  return isSchema ? strictSchema(value as JsonSchema) : value;
}

const QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity";

/** What a schema refers to, and what that refers to. */
function reachable(
  schema: JsonSchema,
  all: Readonly<Record<string, JsonSchema>>,
): Record<string, JsonSchema> {
  const found: Record<string, JsonSchema> = {};
  const visit = (one: JsonSchema) => {
    for (const [, name = ""] of JSON.stringify(one).matchAll(/"#\/definitions\/([^"]+)"/g)) {
      if (name in found) continue;
      found[name] =
        name === QUANTITY ? { anyOf: [{ type: "string" }, { type: "number" }] } : (all[name] ?? {});
      visit(found[name]);
    }
  };
  visit(schema);
  return found;
}

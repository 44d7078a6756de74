/** What the API reference reads of /openapi.json. */
export interface OpenApi {
  readonly tags: readonly { readonly name: string; readonly description?: string }[];
  readonly paths: Readonly<Record<string, { readonly post: Operation }>>;
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
}

export interface Operation {
  readonly tags: readonly string[];
  readonly summary: string;
  readonly description: string;
  readonly requestBody: {
    readonly content: Readonly<
      Record<string, { readonly schema: Schema; readonly example: object }>
    >;
  };
  readonly responses: Readonly<
    Record<string, { readonly content?: Readonly<Record<string, { readonly schema: Schema }>> }>
  >;
  readonly "x-access": readonly string[];
  readonly "x-reasons": readonly {
    readonly reason: string;
    readonly code: string;
    readonly when: string;
  }[];
}

export interface Schema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly format?: string;
  readonly title?: string;
  readonly description?: string;
  readonly enum?: readonly string[];
  readonly items?: Schema;
  readonly oneOf?: readonly Schema[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly [rule: string]: unknown;
}

/** A method of the API, as the reference shows it. */
export interface Method {
  /** "order.v1.OrderService/CreateOrder" */
  readonly path: string;
  readonly service: string;
  readonly name: string;
  readonly summary: string;
  readonly description: string;
  readonly access: Operation["x-access"];
  readonly reasons: Operation["x-reasons"];
  readonly example: object;
  readonly isStream: boolean;
  readonly request: Schema;
  readonly response: Schema | undefined;
}

export function methodsOf({ paths }: OpenApi): Method[] {
  return Object.entries(paths).map(([path, { post }]) => {
    const [[type, body] = ["", undefined]] = Object.entries(post.requestBody.content);
    const [answer] = Object.values(post.responses["200"]?.content ?? {});
    const [service = "", name = ""] = path.slice(1).split("/");
    const [first = "", ...rest] = post.description.split("\n\n");
    // Without a first paragraph of its own, the summary is the method's name.
    const unnamed = post.summary === name || post.summary === "";
    return {
      path: path.slice(1),
      service,
      name,
      summary: unnamed ? first.replaceAll("\n", " ") : post.summary,
      description: unnamed ? rest.join("\n\n") : post.description,
      access: post["x-access"],
      reasons: post["x-reasons"],
      example: body?.example ?? {},
      isStream: type.startsWith("application/connect"),
      request: body?.schema ?? {},
      response: answer?.schema,
    };
  });
}

const REF = "#/components/schemas/";

const schemaName = ({ $ref }: Schema): string | undefined =>
  $ref?.startsWith(REF) ? $ref.slice(REF.length) : undefined;

/** Follows a reference, and takes the real one of a field that may be absent. */
export function resolved(schema: Schema, { components }: OpenApi): Schema {
  const present = schema.oneOf?.find(({ type }) => type !== "null") ?? schema;
  const name = schemaName(present);
  return (name === undefined ? undefined : components.schemas[name]) ?? present;
}

export interface FieldText {
  readonly name: string;
  readonly type: string;
  readonly rules: readonly string[];
  readonly description: string;
  readonly fields: readonly FieldText[];
}

const DEPTH = 3;

/** Lists the fields of a message, with those of the messages in it. */
export function fieldsOf(schema: Schema, api: OpenApi, depth = DEPTH): FieldText[] {
  const message = resolved(schema, api);
  const required = new Set(message.required);
  return Object.entries(message.properties ?? {}).map(([name, field]) => {
    const element = field.items ?? field;
    const inner = resolved(element, api);
    const optional = field.oneOf !== undefined;
    return {
      name,
      type: `${typeOf(element, api)}${field.items === undefined ? "" : "[]"}`,
      rules: [
        ...(required.has(name) ? ["needed"] : []),
        ...(optional ? ["may be absent"] : []),
        ...rulesOf(inner),
        ...(field.items === undefined ? [] : rulesOf(field)),
      ],
      description: (field.description ?? "").replaceAll("\n ", "\n"),
      fields: depth > 0 && inner.properties ? fieldsOf(element, api, depth - 1) : [],
    };
  });
}

function typeOf(schema: Schema, api: OpenApi): string {
  const present = schema.oneOf?.find(({ type }) => type !== "null") ?? schema;
  const inner = resolved(present, api);
  if (inner.enum !== undefined) return inner.enum.join(" | ");
  const { type, format, title } = inner;
  if (inner.properties !== undefined) return title ?? "object";
  const plain = Array.isArray(type) ? type.find((each) => each !== "null") : type;
  return format === undefined ? String(plain ?? "object") : `${plain}, ${format}`;
}

const RULES: readonly (readonly [string, (value: unknown) => string])[] = [
  ["minLength", (value) => `at least ${value} characters`],
  ["maxLength", (value) => `at most ${value} characters`],
  ["minimum", (value) => `at least ${value}`],
  ["maximum", (value) => `at most ${value}`],
  ["minItems", (value) => `at least ${value} items`],
  ["maxItems", (value) => `at most ${value} items`],
  ["pattern", (value) => String(value)],
];

const rulesOf = (schema: Schema): string[] =>
  schema.properties !== undefined
    ? []
    : RULES.flatMap(([name, say]) => (schema[name] === undefined ? [] : [say(schema[name])]));

export const curlOf = ({ path, example, access }: Method, origin: string): string =>
  [
    `curl ${origin}/${path}`,
    "-H 'content-type: application/json'",
    ...(access.includes("anyone") ? [] : ['-H "authorization: Bearer $TOKEN"']),
    `-d '${JSON.stringify(example)}'`,
  ].join(" \\\n  ");

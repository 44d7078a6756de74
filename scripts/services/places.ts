import { type ServiceEntry, services } from "@tercet/cli/repository";
import { parse } from "yaml";
import { afterBlock, afterLine } from "./edit.ts";

/** A file that names every service and cannot import the list of them. */
export interface Place {
  readonly file: string;
  /** What of this service is missing in the text, one phrase each. */
  missing(text: string, entry: ServiceEntry): readonly string[];
  /**
   * Returns the text with the lines of this service, if it has none yet. What is missing in lines
   * that are there is added by hand. The service before it in the list is there.
   */
  add(text: string, entry: ServiceEntry): string;
}

const upper = ({ name }: ServiceEntry) => name.toUpperCase();
const passwordOf = (entry: ServiceEntry) => `${upper(entry)}_DATABASE_PASSWORD`;

/** The services that this one sends requests to: each fetches Identity's keys. */
const calleesOf = ({ name, calls }: ServiceEntry): ServiceEntry[] =>
  services.filter((other) =>
    other.name === "identity" ? name !== "identity" : calls.includes(other.name),
  );
/** The variables in which a service finds those that it calls with a token of its own. */
const urlsOf = (entry: ServiceEntry): (readonly [string, string])[] =>
  entry.calls.length === 0
    ? []
    : calleesOf(entry).map((callee) => [
        `${upper(callee)}_URL`,
        `http://${callee.name}:${callee.port}`,
      ]);

const all: readonly ServiceEntry[] = services;
const indexOf = (entry: ServiceEntry): number => all.findIndex(({ name }) => name === entry.name);
const before = (entry: ServiceEntry): readonly ServiceEntry[] => all.slice(0, indexOf(entry));
const previous = (entry: ServiceEntry): ServiceEntry => before(entry).at(-1) ?? entry;

/** A place where each service has the same line. */
const line = (file: string, lineOf: (entry: ServiceEntry) => string): Place => ({
  file,
  missing: (text, entry) =>
    text.split("\n").includes(lineOf(entry)) ? [] : [`the line "${lineOf(entry).trim()}"`],
  add: (text, entry) => afterLine(text, before(entry).map(lineOf), lineOf(entry)),
});

/** A place where all services are on one line, which this returns for some of them. */
const oneLine = (file: string, lineOf: (entries: readonly ServiceEntry[]) => string): Place => ({
  file,
  missing: (text, entry) =>
    all.some((_, last) => last >= indexOf(entry) && text.includes(lineOf(all.slice(0, last + 1))))
      ? []
      : [`${entry.name} in "${lineOf(all)}"`],
  add: (text, entry) => text.replaceAll(lineOf(before(entry)), lineOf([...before(entry), entry])),
});

const named = (entries: readonly ServiceEntry[], separator: string) =>
  entries.map(({ name }) => name).join(separator);

interface Yaml {
  // biome-ignore lint/suspicious/noExplicitAny: what YAML files contain
  readonly [key: string]: any;
}

/** A place where each service has a block of YAML. */
const block = (
  file: string,
  pathOf: (entry: ServiceEntry) => readonly string[],
  blockOf: (entry: ServiceEntry) => string,
  problemsOf: (found: Yaml, entry: ServiceEntry) => readonly string[] = () => [],
): Place => ({
  file,
  missing: (text, entry) => {
    const found = valueAt(text, pathOf(entry));
    return found === undefined ? [pathOf(entry).join(".")] : problemsOf(found, entry);
  },
  add: (text, entry) =>
    valueAt(text, pathOf(entry)) === undefined
      ? afterBlock(text, pathOf(previous(entry)), blockOf(entry))
      : text,
});

const valueAt = (text: string, path: readonly string[]) =>
  path.reduce<Yaml | undefined>((value, key) => value?.[key], parse(text, { merge: true }));

const unless = (holds: boolean, problem: string): string[] => (holds ? [] : [problem]);

const composeService = (entry: ServiceEntry): string => {
  const { name, port, database } = entry;
  const password = `\${${passwordOf(entry)}:?run infra/scripts/compose-env.sh}`;
  return `
  ${name}:
    <<: *service
    profiles: [lite, full]
    image: tercet-${name}:\${TERCET_VERSION:-dev}
    build: { context: .., dockerfile: infra/docker/Dockerfile, args: { SERVICE: ${name} } }
    mem_limit: 512m
    networks: [front, data, telemetry]
    ports: ["127.0.0.1:${port}:${port}"]
    depends_on:
      postgres: { condition: service_healthy }
${calleesOf(entry)
  .map((callee) => `      ${callee.name}: { condition: service_healthy }`)
  .join("\n")}
    environment:
      <<: *service-environment
      PORT: "${port}"
      OTEL_SERVICE_NAME: ${name}
      DATABASE_URL: postgres://${database.name}:${password}@postgres:5432/${database.name}`;
};

/** Each service that calls others has a secret at Identity, which is added by hand. */
const client = (file: string, textOf: (entry: ServiceEntry) => string): Place => ({
  file,
  missing: (text, entry) =>
    entry.calls.length === 0 ? [] : unless(text.includes(textOf(entry)), textOf(entry)),
  add: (text) => text,
});

const compose: readonly Place[] = [
  client(
    "infra/compose.yaml",
    (entry) => `{"id":"${entry.name}","secretHash":"\${${upper(entry)}_CLIENT_SECRET_SHA256`,
  ),
  client("infra/scripts/compose-env.sh", (entry) => `${upper(entry)}_CLIENT_SECRET_SHA256=`),
  block(
    "infra/compose.yaml",
    ({ name }) => ["services", name],
    composeService,
    ({ environment, ports, depends_on }, entry) => [
      ...unless(
        Number(environment?.PORT) === entry.port,
        `services.${entry.name}.environment.PORT: "${entry.port}"`,
      ),
      ...unless(
        ports?.includes(`127.0.0.1:${entry.port}:${entry.port}`),
        `services.${entry.name}.ports: 127.0.0.1:${entry.port}:${entry.port}`,
      ),
      ...calleesOf(entry).flatMap(({ name }) =>
        unless(depends_on?.[name] !== undefined, `services.${entry.name}.depends_on.${name}`),
      ),
      ...urlsOf(entry).flatMap(([name, url]) =>
        unless(environment?.[name] === url, `services.${entry.name}.environment.${name}: ${url}`),
      ),
    ],
  ),
  block(
    "infra/compose.yaml",
    ({ name }) => ["services", "kong", "depends_on", name],
    ({ name }) => `      ${name}: { condition: service_healthy }`,
  ),
  block(
    "infra/compose.yaml",
    (entry) => ["services", "postgres", "environment", passwordOf(entry)],
    (entry) =>
      `      ${passwordOf(entry)}: \${${passwordOf(entry)}:?run infra/scripts/compose-env.sh}`,
  ),
  line("infra/.env.example", (entry) => `${passwordOf(entry)}=`),
  line("infra/scripts/compose-env.sh", (entry) => `${passwordOf(entry)}=$(secret)`),
  line(
    "infra/postgres/databases.sql",
    (entry) => `\\getenv ${entry.name}_password ${passwordOf(entry)}`,
  ),
  line(
    "infra/postgres/databases.sql",
    ({ name, database }) => `create role ${database.name} login password :'${name}_password';`,
  ),
  line(
    "infra/postgres/databases.sql",
    ({ database }) => `create database ${database.name} owner ${database.name};`,
  ),
  line(
    "infra/postgres/databases.sql",
    ({ database }) => `revoke all on database ${database.name} from public;`,
  ),
];

const chartValues = (entry: ServiceEntry): string => `
${entry.name}:
  port: ${entry.port}
  healthService: ${entry.protoServices[0]}
  migrations: { mode: job }
  networkPolicy:
    callers: [kong, tercet-test]
    callees:
${calleesOf(entry)
  .map(({ name, port }) => `      - { name: ${name}, port: ${port} }`)
  .join("\n")}
    database:
      port: 5432
      to:
        - namespaceSelector: { matchLabels: { kubernetes.io/metadata.name: databases } }
          podSelector: { matchLabels: { cnpg.io/cluster: ${entry.name} } }
    collector: *collector`;

const VALUES = "charts/tercet/values.yaml";

/** Who may call a service, in its network policy. */
const callers = (entry: ServiceEntry, callee: ServiceEntry): Place => {
  const list = new RegExp(`(^${callee.name}:\\n(?:[ ].*\\n|\\n)*?.*callers: \\[)([^\\]]*)`, "m");
  const listed = (text: string) => list.exec(text)?.[2]?.split(", ") ?? [];
  return {
    file: VALUES,
    missing: (text) =>
      unless(
        listed(text).includes(entry.name),
        `${callee.name}.networkPolicy.callers: ${entry.name}`,
      ),
    add: (text) =>
      text.replace(list, (_, start: string, names: string) =>
        [start, names.replace(/, tercet-test$/, `, ${entry.name}, tercet-test`)].join(""),
      ),
  };
};

const everyCaller: Place = {
  file: VALUES,
  missing: (text, entry) =>
    calleesOf(entry).flatMap((callee) => callers(entry, callee).missing(text, entry)),
  add: (text, entry) =>
    calleesOf(entry)
      .map((callee) => callers(entry, callee))
      .filter((place) => place.missing(text, entry).length > 0)
      .reduce((result, place) => place.add(result, entry), text),
};

/** Values of the umbrella chart's schema: each service is there, and nothing that is misspelled. */
const schema: Place = {
  file: "charts/tercet/values.schema.json",
  missing: (text, { name }) => {
    const { required, properties } = JSON.parse(text) as {
      required: string[];
      properties: Record<string, unknown>;
    };
    return [
      ...unless(required.includes(name), `required: ${name}`),
      ...unless(properties[name] !== undefined, `properties.${name}`),
    ];
  },
  add: (text, entry) => {
    const property = ({ name }: ServiceEntry) =>
      `    "${name}": {\n      "$ref": "#/definitions/service"\n    },\n`;
    const last = previous(entry);
    return text
      .replace(`    "${last.name}",\n`, `    "${last.name}",\n    "${entry.name}",\n`)
      .replace(property(last), property(last) + property(entry));
  },
};

/** In the rules of a network policy: DNS, the collector, each callee, and then the database. */
const databaseRule = (entry: ServiceEntry) => 2 + calleesOf(entry).length;

const overlayPatch = (entry: ServiceEntry) => `\
  - target: { kind: NetworkPolicy, name: ${entry.name} }
    patch: |
      - { op: test, path: /spec/egress/${databaseRule(entry)}/ports/0/port, value: 5432 }
      - { op: replace, path: /spec/egress/${databaseRule(entry)}/to, value: [{ podSelector: { matchLabels: { app.kubernetes.io/name: ${entry.name}-postgres } } }] }`;

const patches: Place = {
  file: "infra/k8s/overlays/dev/kustomization.yaml",
  missing: (text, { name }) =>
    unless(
      text.includes(`target: { kind: NetworkPolicy, name: ${name} }`),
      `a patch of NetworkPolicy ${name}`,
    ),
  add: (text, entry) => `${text.trimEnd()}\n${overlayPatch(entry)}\n`,
};

const kubernetes: readonly Place[] = [
  client("charts/tercet/templates/secrets.yaml", ({ name }) => `"id" "${name}"`),
  line(
    "charts/tercet/Chart.yaml",
    ({ name }) =>
      `  - { name: service, alias: ${name}, version: 0.1.0, repository: "file://../service" }`,
  ),
  block(
    VALUES,
    ({ name }) => [name],
    chartValues,
    ({ port, healthService, networkPolicy, env }, entry) => [
      ...urlsOf(entry).flatMap(([name, url]) =>
        unless(env?.[name] === url, `${entry.name}.env.${name}: ${url}`),
      ),
      ...unless(port === entry.port, `${entry.name}.port: ${entry.port}`),
      ...unless(
        healthService === entry.protoServices[0],
        `${entry.name}.healthService: ${entry.protoServices[0]}`,
      ),
      ...calleesOf(entry).flatMap((callee) =>
        unless(
          networkPolicy?.callees?.some(
            ({ name, port: to }: Yaml) => name === callee.name && to === callee.port,
          ),
          `${entry.name}.networkPolicy.callees: { name: ${callee.name}, port: ${callee.port} }`,
        ),
      ),
    ],
  ),
  everyCaller,
  schema,
  block(
    "charts/tercet/values-dev.yaml",
    ({ name }) => [name],
    ({ name }) => `${name}:
  <<: *small
  networkPolicy:
    database:
      to:
        - podSelector: { matchLabels: { app.kubernetes.io/name: ${name}-postgres } }`,
  ),
  block(
    "charts/tercet/values-prod.yaml",
    ({ name }) => [name],
    ({ name }) => `
${name}:
  resources: *resources
  autoscaling: { enabled: true, minReplicas: 3, maxReplicas: 20 }
  spread: DoNotSchedule`,
  ),
  block(
    "infra/k8s/values.yaml",
    ({ name }) => [name],
    ({ name }) => `${name}: *service`,
  ),
  patches,
  oneLine(
    "infra/k8s/overlays/dev/kustomization.yaml",
    (entries) => `kind: Deployment, name: ${named(entries, "|")}|kong }`,
  ),
  oneLine(
    "infra/k8s/overlays/dev/kustomization.yaml",
    (entries) => `kind: ConfigMap, name: ${named(entries, "|")} }`,
  ),
  oneLine(
    "infra/k8s/overlays/prod/kustomization.yaml",
    (entries) => `kind: Deployment, name: ${named(entries, "|")} }`,
  ),
  oneLine("infra/scripts/k8s-setup.sh", (entries) => `SERVICES=(${named(entries, " ")})`),
];

const filters = (entries: readonly ServiceEntry[]) =>
  entries.map(({ name }) => `--filter "@tercet/${name}..."`).join(" ");

const images: readonly Place[] = [
  oneLine("infra/docker/Dockerfile", (entries) => `--filter tercet ${filters(entries)}`),
  oneLine("infra/docker/Dockerfile", (entries) => `pnpm ${filters(entries)} build`),
  line(".dockerignore", ({ name }) => `!packages/${name}`),
  oneLine(
    ".github/workflows/images.yml",
    (entries) => `service: &services [${named(entries, ", ")}]`,
  ),
];

const CPU = "process_cpu_time_seconds_total";
const alerts: readonly Place[] = [
  line("infra/prometheus/rules/alerts.yml", ({ name }) =>
    name === "identity"
      ? `          absent(${CPU}{service_name="${name}"})`
      : `          or absent(${CPU}{service_name="${name}"})`,
  ),
  {
    file: "infra/prometheus/tests/alerts.yml",
    missing: (text, { name }) =>
      unless(
        text.split(`series: '${CPU}{service_name="${name}"}'`).length > 2,
        `${CPU}{service_name="${name}"} in two tests`,
      ),
    add: (text, entry) =>
      text.replace(
        new RegExp(`^.*${CPU}\\{service_name="${previous(entry).name}"\\}.*$`, "gm"),
        (found) => `${found}\n${found.replace(previous(entry).name, entry.name)}`,
      ),
  },
];

const packages: readonly Place[] = [
  line("tsconfig.json", ({ name }) => `    { "path": "packages/${name}" },`),
  line("packages/stack/tsconfig.json", ({ name }) => `    { "path": "../${name}" },`),
  line("packages/stack/package.json", ({ name }) => `    "@tercet/${name}": "workspace:*",`),
];

export const places: readonly Place[] = [
  ...packages,
  ...images,
  ...compose,
  ...kubernetes,
  ...alerts,
];

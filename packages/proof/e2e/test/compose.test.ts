import { execFile } from "node:child_process";
import { access, cp, mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { promisify } from "node:util";
import { ROOT, services as serviceList, serviceNames } from "@tercet/cli";
import { envToConfig as consoleConfig } from "@tercet/console-server";
import { parseKongConfig } from "@tercet/gateway";
import * as identity from "@tercet/identity";
import * as order from "@tercet/order";
import * as payment from "@tercet/payment";
import { ConfigError, type Env } from "@tercet/service";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parse } from "yaml";
import {
  COMPOSE_FILE,
  type ComposeFile,
  type ComposeService,
  composeProblems,
  composeProgram,
  environmentOf,
  parseEnvFile,
  readCompose,
  variablesIn,
} from "./docker/compose.ts";
import { type TestFolder, testFolder } from "./stack.ts";
import { onPath } from "./tool.ts";

const run = promisify(execFile);
const compose = await readCompose();
const text = await readFile(join(ROOT, COMPOSE_FILE), "utf8");
const folder = dirname(join(ROOT, COMPOSE_FILE));
const makeEnv = (file: string) => run(join(ROOT, "infra/scripts/compose-env.sh"), [file]);
const [docker, psql] = await Promise.all([composeProgram(), onPath("psql")]);
if (psql === undefined)
  process.stderr.write("WITHOUT psql: infra/postgres/databases.sql is not run\n");
if (docker === undefined)
  process.stderr.write(
    "WITHOUT docker-compose 2: infra/compose.yaml is not read by Compose itself (pnpm tools docker-compose)\n",
  );

let scratch: TestFolder;
let envFile: string;
let secrets: Record<string, string>;
beforeAll(async () => {
  scratch = await testFolder();
  envFile = join(scratch.path, "made.env");
  await makeEnv(envFile);
  secrets = parseEnvFile(await readFile(envFile, "utf8"));
});
afterAll(() => scratch?.[Symbol.asyncDispose]());

const change = (name: string, to: Partial<ComposeService>): ComposeFile => ({
  ...compose,
  services: { ...compose.services, [name]: { ...compose.services[name], ...to } },
});

describe("infra/compose.yaml", () => {
  test("holds every container to the rules", () => {
    expect(Object.keys(compose.services).length).toBeGreaterThan(5);
    expect(composeProblems(compose)).toEqual([]);
  });

  test.each<[string, string, Partial<ComposeService>, string]>([
    [
      "a root that can be written to",
      "order",
      { read_only: false },
      "order: its root can be written to",
    ],
    ["a capability", "order", { cap_add: ["NET_ADMIN"] }, "order: it has capabilities"],
    ["no capability dropped", "kong", { cap_drop: [] }, "kong: it has capabilities"],
    ["privileges", "kong", { privileged: true }, "kong: it says something of privileges"],
    ["new privileges", "postgres", { security_opt: [] }, "postgres: it may gain privileges"],
    ["a log without an end", "kong", { logging: {} }, "kong: its log grows for ever"],
    ["no restart", "kong", { restart: "no" }, "kong: it is not restarted"],
    [
      "a moving version",
      "postgres",
      { image: "postgres:18" },
      "postgres: postgres:18 is not one exact version",
    ],
    [
      "the latest version",
      "kong",
      { image: "kong:latest" },
      "kong: kong:latest is not one exact version",
    ],
    [
      "no health check",
      "kong",
      { healthcheck: { disable: true } },
      "kong: it has no health check, or one that needs a shell",
    ],
    [
      "a shell's health check",
      "kong",
      { healthcheck: { test: ["CMD-SHELL", "true"] } },
      "kong: it has no health check",
    ],
    [
      "the network of all",
      "order",
      { networks: [] },
      "order: it is on the network that everybody is on",
    ],
    ["an unknown network", "order", { networks: ["back"] }, "order: there is no network back"],
    [
      "a published database",
      "postgres",
      { ports: ["5432:5432"] },
      "postgres: 5432:5432 can be reached from other machines",
    ],
    [
      "a published service",
      "order",
      { ports: ["0.0.0.0:5011:5011"] },
      "order: 0.0.0.0:5011:5011 can be reached",
    ],
    ["an admin API for all", "kong", { ports: ["8001:8001"] }, "kong: 8001:8001 can be reached"],
    [
      "a file that it may write",
      "kong",
      { volumes: ["../gateway/kong.yml:/kong/kong.yml"] },
      "kong: it can write to ../gateway/kong.yml",
    ],
    [
      "an unknown volume",
      "payment",
      { volumes: ["book:/book"] },
      "payment: there is no volume book",
    ],
    [
      "another profile",
      "kong",
      { profiles: ["debug", "full"] },
      "kong: its profile is neither lite nor full",
    ],
    [
      "a wait for what is not started",
      "kong",
      { depends_on: { jaeger: { condition: "service_started" } } },
      "kong: it waits in vain for jaeger",
    ],
    [
      "a wait for a health check that does not exist",
      "grafana",
      { depends_on: { jaeger: { condition: "service_healthy" } } },
      "grafana: it waits in vain for jaeger",
    ],
  ])("%s is found", (_, name, to, problem) => {
    expect(composeProblems(change(name, to))).toContainEqual(expect.stringContaining(problem));
  });

  test.each(["mem_limit", "pids_limit"] as const)("a container without %s is found", (limit) => {
    const { [limit]: _, ...without } = compose.services["order"] ?? {};
    expect(composeProblems({ ...compose, services: { order: without } })).toContain(
      "order: its memory or its processes are not limited",
    );
  });

  test("offers the ports that users know", () => {
    const ports = Object.values(compose.services).flatMap((service) => service.ports ?? []);
    const host = ports.map((port) => Number(port.split(":").at(-2)));
    expect(host.sort((a, b) => a - b)).toEqual([
      3000, 3100, 4317, 5010, 5011, 5012, 5432, 8000, 8888, 8889, 9080, 9090, 9093, 16686, 27017,
      50051,
    ]);
  });

  test("mounts and reads files that are there", async () => {
    const services = Object.values(compose.services);
    const mounts = services.flatMap(({ volumes = [] }) =>
      volumes.map((mount) => mount.split(":")[0] ?? "").filter((from) => from.startsWith(".")),
    );
    const built = services.flatMap(({ build }) =>
      build === undefined ? [] : [join(build.context, build.dockerfile)],
    );
    const paths = [...mounts, ...built, ...services.flatMap(({ env_file = [] }) => env_file)];
    expect(paths.length).toBeGreaterThan(10);
    await Promise.all(paths.map((path) => access(resolve(folder, path))));
  });

  test("keeps no unused volume", () => {
    const used = Object.values(compose.services).flatMap(({ volumes = [] }) =>
      volumes.map((mount) => mount.split(":")[0] ?? ""),
    );
    expect(Object.keys(compose.volumes).filter((name) => !used.includes(name))).toEqual([]);
  });

  test("builds each of our images as the service it is named for", () => {
    const built = Object.entries(compose.services).flatMap(([name, { build, image }]) =>
      build === undefined ? [] : [[name, image, build.args]],
    );
    expect(built).toEqual(
      [...serviceNames, "console"].map((name) => [
        name,
        `tercet-${name}:\${TERCET_VERSION:-dev}`,
        name === "console" ? undefined : { SERVICE: name },
      ]),
    );
  });

  test("names hosts, in every configuration that it mounts, that are there", async () => {
    const files = [
      "prometheus/prometheus.yml",
      "otel/collector.yaml",
      "grafana/provisioning/datasources/tercet.yaml",
      "../gateway/kong.yml",
    ];
    const hosts = await Promise.all(
      files.map(async (file) => {
        const config = await readFile(resolve(folder, file), "utf8");
        return [...config.matchAll(/(?:\/\/|["\s-])([a-z]+):\d{4,5}\b|^\s+host: (\w+)$/gm)]
          .map(([, url, host]) => url ?? host ?? "")
          .filter((name) => name !== "localhost");
      }),
    );
    expect(new Set(hosts.flat())).toEqual(
      new Set([
        ...[...serviceNames, "console", "kong"],
        ...["alertmanager", "collector", "jaeger", "loki", "prometheus"],
      ]),
    );
    for (const host of hosts.flat()) expect(Object.keys(compose.services)).toContain(host);
  });
});

test("only the services share a network with a database", () => {
  const sharing = (name: string) =>
    Object.entries(compose.services)
      .filter(([, { networks = [] }]) =>
        networks.some((network) => compose.services[name]?.networks?.includes(network)),
      )
      .map(([other]) => other);
  const databases = ["postgres", "mongodb"];
  for (const name of databases)
    expect(new Set(sharing(name))).toEqual(new Set([...serviceNames, ...databases]));
});

describe("infra/scripts/compose-up.sh", () => {
  /** Of a copy, next to which it makes the secrets. */
  let script: string;
  beforeAll(async () => {
    const copy = join(scratch.path, "infra");
    await cp(join(folder, "scripts"), join(copy, "scripts"), { recursive: true });
    script = join(copy, "scripts/compose-up.sh");
  });

  /** Runs it with a `docker` of these versions, which starts nothing. */
  async function up(engine: string, version: string): Promise<string> {
    const bin = join(scratch.path, `bin-${engine}-${version}`);
    await mkdir(bin);
    const fake = `#!/bin/sh
case "$*" in
  "compose version --short") echo ${version} ;;
  "compose version") ;;
  version*) [ -n "${engine}" ] && echo "${engine}" ;;
  *) echo "docker $*"; exit 3 ;;
esac`;
    await writeFile(join(bin, "docker"), fake, { mode: 0o755 });
    return await run(script, ["lite"], { env: { PATH: `${bin}:${process.env["PATH"]}` } }).then(
      () => "",
      ({ stdout, stderr }: { stdout: string; stderr: string }) => stdout + stderr,
    );
  }

  test.each([
    ["24.0.7", "2.27.0", "needs Docker Engine 25.0 or newer, for start_interval; this is 24.0.7"],
    ["20.10.24+dfsg1", "v5.6.0", "needs Docker Engine 25.0 or newer"],
    ["28.0.0", "2.20.1", "needs Docker Compose 2.20.2 or newer, for start_interval"],
    ["28.0.0", "1.29.2", "needs Docker Compose 2.20.2 or newer"],
    ["", "2.27.0", "its engine does not respond: start it"],
  ])("engine %s with Compose %s is refused in words", async (engine, version, said) => {
    expect(await up(engine, version)).toContain(said);
  });

  test.each([
    ["25.0", "2.20.2"],
    ["28.2.2", "v5.6.0"],
    ["29.0.1", "dev"],
  ])("engine %s with Compose %s is used", async (engine, version) => {
    expect(await up(engine, version)).toMatch(/^docker compose --file .* up --build/m);
  });
});

/** Containers are called at the ports where their processes listen: Compose translates none. */
test("Kong's routes lead to ports that the services listen on", async () => {
  const { services: routed } = parseKongConfig(
    await readFile(resolve(folder, "../gateway/kong.yml"), "utf8"),
  );
  expect(routed.length).toBeGreaterThan(0);
  for (const { name, host, port, protocol } of routed) {
    const { PORT, GRPC_PORT } = environmentOf(compose.services[host] ?? {}, secrets);
    expect(String(port), name).toBe(protocol === "grpc" ? GRPC_PORT : PORT);
  }
});

describe("infra/scripts/compose-env.sh", () => {
  /** With a default; those but the first two are explained as comments. */
  const ours = [
    ...["TELEMETRY", "TERCET_VERSION", "ALERTMANAGER_CONFIG", "RUNBOOK_BASE_URL"],
    ...["CORS_ORIGINS", "CONSOLE_TRACE_URL", "CONSOLE_LOGS_URL"],
  ];

  test("makes what the Compose file asks for and .env.example explains, and nothing else", async () => {
    const asked = new Set(variablesIn(text).filter((name) => !ours.includes(name)));
    const explained = Object.keys(
      parseEnvFile(await readFile(join(folder, ".env.example"), "utf8")),
    );
    expect(Object.keys(secrets)).toEqual(explained);
    // seed.sh reads it.
    expect(new Set(explained)).toEqual(asked.add("OPERATOR_PASSWORD"));
  });

  test("makes other secrets each time, for their owner alone, and never in the place of those that are there", async () => {
    const another = join(scratch.path, "another.env");
    await makeEnv(another);
    const others = parseEnvFile(await readFile(another, "utf8"));
    for (const [name, value] of Object.entries(others)) expect(value, name).not.toBe(secrets[name]);
    expect((await stat(another)).mode & 0o777).toBe(0o600);
    await writeFile(another, "MINE=1\n");
    await makeEnv(another);
    expect(await readFile(another, "utf8")).toBe("MINE=1\n");
  });

  test("what it makes is not for the repository", async () => {
    const { stdout } = await run("git", ["check-ignore", "infra/.env"], { cwd: ROOT });
    expect(stdout.trim()).toBe("infra/.env");
  });
});

describe("infra/postgres/databases.sql", () => {
  const owners = serviceList.map(({ database }) => database.name);

  test.skipIf(psql === undefined)(
    "makes a database for each service, which no other service may enter",
    async () => {
      const server = process.env["TEST_POSTGRES_URL"] ?? "";
      const ask = async (url: string, sql: string) =>
        (
          await run(psql ?? "", [
            url,
            "--no-psqlrc",
            "--tuples-only",
            "--no-align",
            "--command",
            sql,
          ])
        ).stdout.trim();
      const urlOf = (user: string, database: string) => {
        const owner = serviceList.find((one) => one.database.name === user)?.name ?? "";
        const address = environmentOf(compose.services[owner] ?? {}, secrets)["DATABASE_URL"] ?? "";
        // The user's own password, as in the services' addresses; Payment's is that of MongoDB.
        const password =
          owner === "payment" ? secrets["PAYMENT_DATABASE_PASSWORD"] : new URL(address).password;
        return Object.assign(new URL(server), {
          username: user,
          password,
          pathname: `/${database}`,
        }).href;
      };
      await run(
        psql ?? "",
        [
          server,
          "--no-psqlrc",
          "--set=ON_ERROR_STOP=1",
          `--file=${join(folder, "postgres/databases.sql")}`,
        ],
        {
          env: {
            PATH: process.env["PATH"],
            ...environmentOf(compose.services["postgres"] ?? {}, secrets),
          },
        },
      );
      try {
        for (const owner of owners) {
          expect(
            await ask(
              urlOf(owner, owner),
              "create schema own; create table public.mine (); select current_user",
            ),
          ).toContain(owner);
          for (const other of owners.filter((name) => name !== owner))
            await expect(ask(urlOf(owner, other), "select 1")).rejects.toThrow(
              "permission denied for database",
            );
        }
      } finally {
        for (const owner of owners) {
          await ask(server, `drop database ${owner} with (force)`);
          await ask(server, `drop role ${owner}`);
        }
      }
    },
  );
});

describe("a container's environment", () => {
  const services = { identity, order, payment };
  const environment = (name: string, variables: Env) =>
    environmentOf(compose.services[name] ?? {}, variables);

  test.each(Object.entries(services))("is what %s can start with", (name, { envToConfig }) => {
    const { service } = envToConfig(environment(name, secrets));
    expect(service).toMatchObject({
      port: Number(environment(name, secrets)["PORT"]),
      grpcPort: Number(environment(name, secrets)["GRPC_PORT"]),
      log: { environment: "compose", lokiUrl: undefined },
    });
    expect(compose.services[name]?.ports).toContain(`127.0.0.1:${service.port}:${service.port}`);
  });

  test.each(Object.entries(services))(
    "says where %s tells what it does, with telemetry",
    (name, { envToConfig }) => {
      const env = environment(name, { ...secrets, TELEMETRY: "1" });
      expect(envToConfig(env).service.log.lokiUrl).toBe("http://loki:3100");
      expect(env["OTEL_EXPORTER_OTLP_ENDPOINT"]).toBe("http://collector:4318");
    },
  );

  test.each([
    ["identity", "TOKEN_SIGNING_KEYS"],
    ["order", "SERVICE_CLIENT_SECRET"],
    ["payment", "DATABASE_URL"],
  ] as const)("of %s must have %s by that name", (name, variable) => {
    const { [variable]: value, ...rest } = environment(name, secrets);
    expect(value).toBeTruthy();
    expect(() => services[name].envToConfig({ ...rest, [`${variable}_`]: value })).toThrow(
      ConfigError,
    );
  });

  test("is what the console can start with, at the port that Kong calls", () => {
    const env = environment("console", {
      ...secrets,
      CONSOLE_TRACE_URL: "http://127.0.0.1:16686/search?tags={orderId}",
    });
    expect(consoleConfig(env)).toMatchObject({
      port: 8080,
      settings: { traceUrl: "http://127.0.0.1:16686/search?tags={orderId}", logsUrl: undefined },
    });
    expect(compose.services["console"]).toMatchObject({ networks: ["front"] });
    expect(compose.services["console"]?.ports).toBeUndefined();
  });

  test("without the secrets says what to run", () => {
    expect(() => environment("order", {})).toThrow(
      "ORDER_DATABASE_PASSWORD: run infra/scripts/compose-env.sh",
    );
  });

  test.skipIf(docker === undefined)("is the one that Compose makes", async () => {
    const args = [
      "--file",
      join(ROOT, COMPOSE_FILE),
      "--env-file",
      envFile,
      "--profile",
      "full",
      "config",
    ];
    const { stdout } = await run(docker ?? "", args, {
      env: { PATH: process.env["PATH"], TELEMETRY: "1" },
    });
    const resolved = parse(stdout) as ComposeFile;
    expect(Object.keys(resolved.services).sort()).toEqual(Object.keys(compose.services).sort());
    for (const [name, service] of Object.entries(resolved.services))
      expect(service.environment ?? {}, name).toMatchObject(
        environment(name, { ...secrets, TELEMETRY: "1" }),
      );
  });

  test.skipIf(docker === undefined)(
    "cannot be made by Compose either without the secrets",
    async () => {
      const empty = join(scratch.path, "empty.env");
      await writeFile(empty, "");
      const args = [
        "--file",
        join(ROOT, COMPOSE_FILE),
        "--env-file",
        empty,
        "--profile",
        "lite",
        "config",
        "--quiet",
      ];
      const failed = await run(docker ?? "", args, { env: { PATH: process.env["PATH"] } }).then(
        () => "",
        (error: { stderr: string }) => error.stderr,
      );
      expect(failed).toContain("run infra/scripts/compose-env.sh");
    },
  );
});

import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { onPath, ROOT } from "@tercet/cli";
import type { Env } from "@tercet/service";
import { parse } from "yaml";

export const COMPOSE_FILE = "infra/compose.yaml";

/** The subset of a Compose file that ours uses. */
export interface ComposeFile {
  readonly services: Readonly<Record<string, ComposeService>>;
  readonly networks: Readonly<Record<string, unknown>>;
  readonly volumes: Readonly<Record<string, unknown>>;
}

export interface ComposeService {
  readonly profiles?: readonly string[];
  readonly image?: string;
  readonly build?: {
    readonly context: string;
    readonly dockerfile: string;
    readonly args?: Readonly<Record<string, string>>;
  };
  readonly restart?: string;
  readonly read_only?: boolean;
  readonly cap_drop?: readonly string[];
  readonly cap_add?: readonly string[];
  readonly privileged?: boolean;
  readonly security_opt?: readonly string[];
  readonly mem_limit?: string;
  readonly pids_limit?: number;
  readonly logging?: { readonly options?: Readonly<Record<string, string>> };
  readonly networks?: readonly string[];
  readonly ports?: readonly string[];
  readonly volumes?: readonly string[];
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly healthcheck?: { readonly test?: readonly string[]; readonly disable?: boolean };
  readonly environment?: Readonly<Record<string, string>>;
  readonly env_file?: readonly string[];
}

/**
 * Returns the path of Compose 2 or newer, which `pnpm tools` builds. Debian's docker-compose, 1.29,
 * does not know what is in the file.
 */
export async function composeProgram(): Promise<string | undefined> {
  const path = await onPath("docker-compose");
  if (path === undefined) return undefined;
  const { stdout } = await promisify(execFile)(path, ["version", "--short"]);
  return /^v?[01]\./.test(stdout) ? undefined : path;
}

export async function readCompose(): Promise<ComposeFile> {
  return parse(await readFile(join(ROOT, COMPOSE_FILE), "utf8"), { merge: true });
}

/** Parses `NAME=value` and `NAME='value'`; skips comments and empty lines. */
export function parseEnvFile(text: string): Record<string, string> {
  const lines = [...text.matchAll(/^([A-Z][A-Z0-9_]*)=(.*)$/gm)];
  return Object.fromEntries(
    lines.map(([, name = "", value = ""]) => [name, value.replace(/^'(.*)'$/, "$1")]),
  );
}

const VARIABLE = /\$\$|\$\{(\w+)(?::([-+?])([^}]*))?\}/g;

/** The variables that a text of the file refers to. */
export const variablesIn = (text: string): string[] =>
  [...text.matchAll(VARIABLE)].flatMap(([, name]) => name ?? []);

/**
 * Replaces `${NAME}`, `${NAME:-else}`, `${NAME:+then}` and `${NAME:?must}`, as Compose does. Throws
 * the message of a missing `:?`.
 */
function interpolate(text: string, variables: Env): string {
  return text.replaceAll(
    VARIABLE,
    (whole, name: string | undefined, operator: string | undefined, word: string) => {
      if (name === undefined) return whole.slice(1);
      const value = variables[name] ?? "";
      if (operator === "+") return value === "" ? "" : word;
      if (value !== "") return value;
      if (operator === "?") throw new Error(`${name}: ${word}`);
      return operator === "-" ? word : "";
    },
  );
}

/** The environment of a container. */
export function environmentOf(
  { environment = {} }: ComposeService,
  variables: Env,
): Record<string, string> {
  return Object.fromEntries(
    Object.entries(environment).map(([name, value]) => [
      name,
      interpolate(String(value), variables),
    ]),
  );
}

/**
 * A tag that names an exact version: "latest" and "18" are other images next month. Docker's own
 * tools are not covered.
 */
const EXACT_VERSION = /:v?\d+\.\d+(\.\d+)?(-[\w.]+)?(@sha256:[0-9a-f]{64})?$/;
const PUBLISHED_TO_ALL = new Set(["8000:8000", "9080:9080"]);
/** Their images hold no program for a health check, and nothing waits for their health. */
const WITHOUT_HEALTHCHECK = new Set(["collector", "jaeger"]);

/** Returns the problems, one sentence each. */
export function composeProblems({ services, networks, volumes }: ComposeFile): string[] {
  const one = (name: string, service: ComposeService): string[] => {
    const problem = (found: boolean, what: string) => (found ? [`${name}: ${what}`] : []);
    const {
      image = "",
      build,
      ports = [],
      volumes: mounts = [],
      depends_on: needs = {},
      healthcheck,
    } = service;
    const probe = healthcheck?.test?.[0] === "CMD";
    return [
      ...problem(service.read_only !== true, "its root can be written to"),
      ...problem(
        !service.cap_drop?.includes("ALL") || service.cap_add !== undefined,
        "it has capabilities",
      ),
      ...problem(service.privileged !== undefined, "it says something of privileges"),
      ...problem(
        !service.security_opt?.includes("no-new-privileges:true"),
        "it may gain privileges",
      ),
      ...problem(
        service.mem_limit === undefined || service.pids_limit === undefined,
        "its memory or its processes are not limited",
      ),
      ...problem(service.logging?.options?.["max-size"] === undefined, "its log grows for ever"),
      ...problem(service.restart !== "unless-stopped", "it is not restarted"),
      ...problem(
        build === undefined && !EXACT_VERSION.test(image),
        `${image} is not one exact version`,
      ),
      ...problem(
        !probe && !(healthcheck?.disable === true && WITHOUT_HEALTHCHECK.has(name)),
        "it has no health check, or one that needs a shell",
      ),
      ...problem(
        (service.networks ?? []).length === 0,
        "it is on the network that everybody is on",
      ),
      ...(service.networks ?? []).flatMap((network) =>
        problem(!(network in networks), `there is no network ${network}`),
      ),
      ...ports.flatMap((port) =>
        problem(
          !(port.startsWith("127.0.0.1:") || (name === "kong" && PUBLISHED_TO_ALL.has(port))),
          `${port} can be reached from other machines`,
        ),
      ),
      ...mounts.flatMap((mount) => {
        const [from = "", , mode] = mount.split(":");
        if (!from.startsWith(".")) return problem(!(from in volumes), `there is no volume ${from}`);
        return problem(mode !== "ro", `it can write to ${from}`);
      }),
      ...problem(
        (service.profiles ?? []).some((profile) => profile !== "lite" && profile !== "full"),
        "its profile is neither lite nor full",
      ),
      ...problem(!service.profiles?.includes("full"), "full leaves it out"),
      ...Object.entries(needs).flatMap(([needed, { condition }]) => {
        const other = services[needed];
        const there =
          service.profiles?.every((profile) => other?.profiles?.includes(profile)) === true;
        const known = condition !== "service_healthy" || other?.healthcheck?.test !== undefined;
        return problem(!there || !known, `it waits in vain for ${needed}`);
      }),
    ];
  };
  return Object.entries(services).flatMap(([name, service]) => one(name, service));
}

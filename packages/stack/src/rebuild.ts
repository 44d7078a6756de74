import { readFileSync, watch } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ROOT } from "@tercet/cli";
import { execa } from "execa";
import { recordOf, type ServiceName, serviceNames } from "./config.ts";

/** The services that run the code of each package. */
const USERS: Readonly<Record<string, readonly ServiceName[]>> = {
  service: serviceNames,
  wire: serviceNames,
  saga: serviceNames.filter(usesSagas),
  ...recordOf(serviceNames, (name) => [name]),
};

function usesSagas(name: ServiceName): boolean {
  const file = join(ROOT, "packages", name, "package.json");
  const { dependencies } = JSON.parse(readFileSync(file, "utf8")) as { dependencies: object };
  return Object.hasOwn(dependencies, "@tercet/saga");
}

/**
 * An editor writes several times, and a branch many files: compilation starts when nothing was
 * written for this long.
 */
const QUIET_MS = 200;

/** What changed since the last batch. */
export interface Changes {
  /** Whether proto/ changed, of which gen/ is made. */
  readonly contracts: boolean;
  /** The services that run what changed. */
  readonly services: ReadonlySet<ServiceName>;
}

/** Yields what changed in the sources, in batches, until the signal aborts. */
export async function* sourceChanges(signal: AbortSignal): AsyncGenerator<Changes> {
  let contracts = false;
  let services = new Set<ServiceName>();
  let arrived = Promise.withResolvers<void>();
  signal.addEventListener("abort", () => arrived.resolve(), { once: true });
  const onChange = (users: readonly ServiceName[]) => {
    for (const user of users) services.add(user);
    arrived.resolve();
  };
  watch(join(ROOT, "proto"), { recursive: true, signal }, (_event, file) => {
    if (!file?.endsWith(".proto")) return;
    contracts = true;
    onChange(serviceNames);
  });
  for (const [name, users] of Object.entries(USERS)) {
    const folder = join(ROOT, "packages", name, "src");
    watch(folder, { recursive: true, signal }, (_event, file) => {
      if (!file?.endsWith(".test.ts")) onChange(users);
    });
  }
  while (!signal.aborted) {
    await arrived.promise;
    arrived = Promise.withResolvers();
    await sleep(QUIET_MS, undefined, { signal }).catch(() => {});
    const batch = { contracts, services };
    contracts = false;
    services = new Set();
    if (batch.services.size > 0 && !signal.aborted) yield batch;
  }
}

/** Generates and compiles what changed. Resolves to the tools' messages; "" if there are none. */
export async function rebuild({ contracts }: Changes, signal: AbortSignal): Promise<string> {
  const problems = contracts ? await messagesOf("buf", ["generate"], signal) : "";
  const projects = serviceNames.map((name) => join("packages", name));
  return problems || (await messagesOf("tsc", ["-b", ...projects, "--pretty", "false"], signal));
}

async function messagesOf(tool: string, args: string[], signal: AbortSignal): Promise<string> {
  const { exitCode, all } = await execa(tool, args, {
    cwd: ROOT,
    preferLocal: true,
    stdin: "ignore",
    all: true,
    reject: false,
    cancelSignal: signal,
  });
  return exitCode === 0 ? "" : all.trim() || `${tool} failed`;
}

import { readFileSync, watch } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ROOT } from "@tercet/cli";
import { execa } from "execa";
import { type ServiceName, serviceNames } from "./config.ts";

const SCOPE = "@tercet/";
/** In gen/, made from proto/. */
const CONTRACTS = "@tercet/gen";

const USERS = usersOfPackages();

/** Returns, by its folder in packages/, the services that are made from each package. */
export function usersOfPackages(): ReadonlyMap<string, readonly ServiceName[]> {
  const users = new Map<string, ServiceName[]>();
  const visit = (folder: string, service: ServiceName) => {
    const known = users.get(folder) ?? [];
    if (known.includes(service)) return;
    users.set(folder, [...known, service]);
    for (const used of packagesUsedBy(folder)) visit(used, service);
  };
  for (const name of serviceNames) visit(name, name);
  return users;
}

/** Returns the folders in packages/ of what a package depends on. */
function packagesUsedBy(folder: string): string[] {
  const file = join(ROOT, "packages", folder, "package.json");
  const { dependencies = {} } = JSON.parse(readFileSync(file, "utf8")) as {
    dependencies?: Readonly<Record<string, string>>;
  };
  return Object.keys(dependencies)
    .filter((name) => name.startsWith(SCOPE) && name !== CONTRACTS)
    .map((name) => name.slice(SCOPE.length));
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
  for (const [name, users] of USERS) {
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

/** Generates and builds what changed. Resolves to the tools' messages; "" if there are none. */
export async function rebuild(changes: Changes, signal: AbortSignal): Promise<string> {
  let problems = changes.contracts ? await messagesOf("buf", ["generate"], ROOT, signal) : "";
  for (const name of changes.services)
    problems ||= await messagesOf(
      "pnpm",
      ["--silent", "run", "build"],
      join(ROOT, "packages", name),
      signal,
    );
  return problems;
}

async function messagesOf(
  tool: string,
  args: string[],
  cwd: string,
  signal: AbortSignal,
): Promise<string> {
  const { exitCode, all } = await execa(tool, args, {
    cwd,
    preferLocal: true,
    localDir: ROOT,
    stdin: "ignore",
    all: true,
    reject: false,
    cancelSignal: signal,
  });
  return exitCode === 0 ? "" : all.trim() || `${tool} failed`;
}

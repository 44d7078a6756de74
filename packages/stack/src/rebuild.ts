import { readFileSync, watch } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ROOT } from "@tercet/cli";
import { execa } from "execa";
import { recordOf, type ServiceName, serviceNames } from "./config.ts";

/** The services that run the code of each package. */
const USERS: Readonly<Record<string, readonly ServiceName[]>> = {
  gen: serviceNames,
  service: serviceNames,
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

/** Yields the services whose sources changed, in batches, until the signal aborts. */
export async function* sourceChanges(
  signal: AbortSignal,
): AsyncGenerator<ReadonlySet<ServiceName>> {
  let changed = new Set<ServiceName>();
  let arrived = Promise.withResolvers<void>();
  signal.addEventListener("abort", () => arrived.resolve(), { once: true });
  for (const [name, users] of Object.entries(USERS)) {
    watch(
      name === "gen" ? join(ROOT, "gen/src") : join(ROOT, "packages", name, "src"),
      { recursive: true, signal },
      (_event, file) => {
        if (file?.endsWith(".test.ts")) return;
        for (const user of users) changed.add(user);
        arrived.resolve();
      },
    );
  }
  while (!signal.aborted) {
    await arrived.promise;
    arrived = Promise.withResolvers();
    await sleep(QUIET_MS, undefined, { signal }).catch(() => {});
    const batch = changed;
    changed = new Set();
    if (batch.size > 0 && !signal.aborted) yield batch;
  }
}

/** Compiles what changed of the services. Returns the compiler's messages; "" if there are none. */
export async function compile(signal: AbortSignal): Promise<string> {
  const projects = serviceNames.map((name) => join("packages", name));
  const { exitCode, stdout } = await execa("tsc", ["-b", ...projects, "--pretty", "false"], {
    cwd: ROOT,
    preferLocal: true,
    stdin: "ignore",
    stderr: "inherit",
    reject: false,
    cancelSignal: signal,
  });
  return exitCode === 0 ? "" : stdout.trim();
}

import { spawn } from "node:child_process";
import { once } from "node:events";
import { watch } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ROOT } from "@tercet/cli";
import { type ServiceName, serviceNames } from "./config.ts";

/** Which services run the code of a package; what is not here runs in none. */
const USERS: Readonly<Record<string, readonly ServiceName[]>> = {
  gen: serviceNames,
  service: serviceNames,
  saga: ["order"],
  identity: ["identity"],
  order: ["order"],
  payment: ["payment"],
};

/**
 * An editor writes several times, and a branch many files: it is compiled when nothing was written
 * for so long.
 */
const QUIET_MS = 200;

/** Services whose sources have changed, a batch at a time, until the signal aborts. */
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
      () => {
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

/** Compiles what changed; answers what the compiler complains about, or nothing. */
export async function compile(signal: AbortSignal): Promise<string> {
  const compiler = spawn(join(ROOT, "node_modules/.bin/tsc"), ["-b", "--pretty", "false"], {
    cwd: ROOT,
    stdio: ["ignore", "pipe", "inherit"],
    signal,
  });
  const [said, [code]] = await Promise.all([
    compiler.stdout.setEncoding("utf8").toArray(),
    once(compiler, "close"),
  ]);
  return code === 0 ? "" : said.join("").trim();
}

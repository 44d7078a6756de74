import { spawn } from "node:child_process";
import { watch } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { ROOT, type ServiceName, serviceNames } from "./config.ts";

/** Services whose code has changed. */
export type Rebuilt = ReadonlySet<ServiceName>;

/** Which services run the code of a package; what is not here runs in none. */
const USERS: Readonly<Record<string, readonly ServiceName[]>> = {
  gen: serviceNames,
  service: serviceNames,
  saga: ["order"],
  identity: ["identity"],
  order: ["order"],
  payment: ["payment"],
};

/** A compilation writes many files; services are told when it has written nothing for so long. */
const QUIET_MS = 300;

/** Compiles what changes until the signal aborts, and hands on what the compiler says. */
export function compileChanges(onLine: (line: string) => void, signal: AbortSignal): void {
  const tsc = join(ROOT, "node_modules/.bin/tsc");
  const compiler = spawn(tsc, ["-b", "--watch", "--preserveWatchOutput"], { cwd: ROOT, stdio: ["ignore", "pipe", "inherit"], signal });
  compiler.on("error", (error) => signal.aborted || onLine(`the compiler could not be started: ${error.message}`));
  createInterface({ input: compiler.stdout }).on("line", (line) => line.trim() !== "" && onLine(line));
}

/** Tells which services use code that was compiled anew, one call after the other, until the signal aborts. */
export function watchBuilds(onRebuilt: (rebuilt: Rebuilt) => Promise<void>, signal: AbortSignal): void {
  const changed = new Set<ServiceName>();
  let timer: NodeJS.Timeout | undefined;
  let last = Promise.resolve();
  const flush = () => {
    const rebuilt = new Set(changed);
    changed.clear();
    last = last.then(() => onRebuilt(rebuilt));
  };
  for (const [name, users] of Object.entries(USERS)) {
    const folder = name === "gen" ? join(ROOT, "gen/src") : join(ROOT, "packages", name, "dist");
    watch(folder, { recursive: true, signal }, (_event, file) => {
      if (!file?.endsWith(".js")) return;
      for (const user of users) changed.add(user);
      clearTimeout(timer);
      timer = setTimeout(flush, QUIET_MS);
    });
  }
}

import { type ChildProcess, spawn } from "node:child_process";
import { createWriteStream } from "node:fs";
import { extname, join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { compileCacheOf, LOOPBACK, ROOT } from "@tercet/cli";
import type { Env, HealthReport } from "@tercet/service";
import { StackError } from "./errors.ts";
import { urlOf } from "./ports.ts";

export interface ServiceProcessOptions {
  /** "order" */
  readonly name: string;
  /** Path of the script to run. */
  readonly main: string;
  /** Paths of scripts that Node loads before it. */
  readonly preload?: readonly string[];
  readonly port: number;
  /** The whole environment, without HOST and PORT. */
  readonly env: Env;
  /** The file that its output is appended to. */
  readonly logFile?: string;
  /** Receives each line of stdout (its log) and stderr. */
  readonly onLine?: (line: string) => void;
  /** Limit for becoming ready; default 30 s. */
  readonly startTimeoutMs?: number;
  /** Aborts the start and kills the process. */
  readonly signal?: AbortSignal | undefined;
}

/** How a process ended: "exit code 1" or "SIGKILL". */
export type Exit = string;

/** A running process of a service. Disposing of it stops it. */
export interface ServiceProcess extends AsyncDisposable {
  readonly name: string;
  readonly pid: number;
  readonly url: string;
  /** Resolves when the process has ended. */
  readonly exited: Promise<Exit>;
  /** Drains it (SIGTERM) and kills it after `graceMs`; default 15 s. */
  stop(graceMs?: number): Promise<Exit>;
  /** Sends a signal; default SIGKILL. */
  kill(signal?: NodeJS.Signals): void;
}

const START_TIMEOUT_MS = 30_000;
const STOP_GRACE_MS = 15_000;
const READY_INTERVAL_MS = 50;
const READY_TIMEOUT_MS = 1_000;
const LAST_LINES = 12;
/** Node then starts a service a second time without compiling what it loads. */
const NODE_COMPILE_CACHE = compileCacheOf(ROOT);
const ORPHAN_GUARD = join(import.meta.dirname, `orphan-guard${extname(import.meta.filename)}`);

/**
 * Starts a process and waits until `/health/ready` returns 200. Throws StackError with the last
 * lines of its stderr if it does not become ready. Not with execa, which keeps in memory what a
 * process writes: this one runs for days.
 */
export async function startServiceProcess(options: ServiceProcessOptions): Promise<ServiceProcess> {
  const { name, main, port, env } = options;
  options.signal?.throwIfAborted();
  const flags = [ORPHAN_GUARD, ...(options.preload ?? [])].flatMap((path) => [
    "--import",
    pathToFileURL(path).href,
  ]);
  const child = spawn(process.execPath, ["--enable-source-maps", ...flags, main], {
    env: { NODE_ENV: "production", NODE_COMPILE_CACHE, ...env, HOST: LOOPBACK, PORT: String(port) },
    // In its own process group: Ctrl-C in a terminal reaches only the stack, which stops
    // everything in order.
    detached: true,
    stdio: ["ignore", "pipe", "pipe", "ipc"],
  });
  const exited = exitOf(child);
  const lastLines = forwardLines(child, options);
  const url = urlOf(port);
  const kill = (signal: NodeJS.Signals = "SIGKILL") => void child.kill(signal);
  const stop = async (graceMs = STOP_GRACE_MS) => {
    kill("SIGTERM");
    const timer = setTimeout(kill, graceMs, "SIGKILL");
    return await exited.finally(() => clearTimeout(timer));
  };
  try {
    await ready(url, exited, options);
  } catch (error) {
    kill();
    const exit = await exited;
    if (!(error instanceof StackError)) throw error;
    const reason = `${name} did not start (${error.message || exit})`;
    throw new StackError(lastLines.length === 0 ? reason : `${reason}:\n${lastLines.join("\n")}`);
  }
  return {
    name,
    pid: child.pid ?? 0,
    url,
    exited,
    kill,
    stop,
    [Symbol.asyncDispose]: async () => void (await stop()),
  };
}

function exitOf(child: ChildProcess): Promise<Exit> {
  const { promise, resolve } = Promise.withResolvers<Exit>();
  // "close" comes after "exit", when all output has been read.
  child.once("close", (code, signal) => resolve(signal ?? `exit code ${code}`));
  child.once("error", ({ message }) => resolve(message));
  return promise;
}

/** Forwards output line by line. Returns an array that always holds the last lines of stderr. */
function forwardLines(
  child: ChildProcess,
  { logFile, onLine = () => {} }: ServiceProcessOptions,
): readonly string[] {
  const file = logFile === undefined ? undefined : createWriteStream(logFile, { flags: "a" });
  // A full disk must not stop the service.
  file?.on("error", () => {});
  const last: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    if (stream === null) continue;
    createInterface({ input: stream }).on("line", (line) => {
      file?.write(`${line}\n`);
      if (stream === child.stderr && last.push(line) > LAST_LINES) last.shift();
      onLine(line);
    });
  }
  child.once("close", () => file?.end());
  return last;
}

/** Throws StackError; its message is empty if the process ended. */
async function ready(
  url: string,
  exited: Promise<Exit>,
  { startTimeoutMs = START_TIMEOUT_MS, signal }: ServiceProcessOptions,
): Promise<void> {
  let ended = false;
  void exited.then(() => {
    ended = true;
  });
  const deadline = performance.now() + startTimeoutMs;
  while (!(await isReady(url))) {
    signal?.throwIfAborted();
    if (ended) throw new StackError("");
    if (performance.now() > deadline)
      throw new StackError(`not ready in ${startTimeoutMs / 1000} s${await unreadyBecause(url)}`);
    await Promise.race([exited, sleep(READY_INTERVAL_MS)]);
  }
  // Another process may have responded at its port.
  if (ended) throw new StackError("");
}

/** Returns whether the service at this URL is ready. */
export const isReady = async (url: string): Promise<boolean> =>
  (await askReadiness(url))?.ok ?? false;

/** Returns what a service reports as down: ": database down". */
async function unreadyBecause(url: string): Promise<string> {
  try {
    const { dependencies } = JSON.parse((await askReadiness(url))?.body ?? "") as HealthReport;
    const down = Object.keys(dependencies).filter((name) => dependencies[name] === "down");
    return down.length === 0 ? "" : `: ${down.join(" and ")} down`;
  } catch {
    return "";
  }
}

/** Resolves to undefined if there is no response. */
async function askReadiness(url: string): Promise<{ ok: boolean; body: string } | undefined> {
  try {
    const response = await fetch(`${url}/health/ready`, {
      signal: AbortSignal.timeout(READY_TIMEOUT_MS),
      headers: { connection: "close" },
    });
    return { ok: response.ok, body: await response.text() };
  } catch {
    return undefined;
  }
}

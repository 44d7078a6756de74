import { type ChildProcess, spawn } from "node:child_process";
import { createWriteStream } from "node:fs";
import { createRequire } from "node:module";
import { extname } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { LOOPBACK } from "@tercet/cli";
import type { Env } from "@tercet/service";
import { StackError } from "./errors.ts";

export interface ServiceProcessOptions {
  /** "order" */
  readonly name: string;
  /** The script to run. */
  readonly main: string;
  /** Loads OpenTelemetry before it, which does nothing unless OTEL_* names an endpoint. */
  readonly telemetry?: boolean;
  readonly port: number;
  /** The whole environment, besides HOST and PORT. */
  readonly env: Env;
  /** Where its log is appended to. */
  readonly logFile?: string;
  /** Each line it says, on stdout (its log) and stderr. */
  readonly onLine?: (line: string) => void;
  /** How long it may take until it is ready. */
  readonly startTimeoutMs?: number;
  /** Gives the start up; the process is killed. */
  readonly signal?: AbortSignal | undefined;
}

/** How a process ended: "exit code 1", "SIGKILL". */
export type Exit = string;

/** One process of one service, which was ready once. Disposing of it stops it. */
export interface ServiceProcess extends AsyncDisposable {
  readonly name: string;
  readonly pid: number;
  readonly url: string;
  /** Resolves when the process has ended, for whatever reason. */
  readonly exited: Promise<Exit>;
  /** Lets it drain (SIGTERM); kills it when that takes longer than `graceMs`, by default 15 s. */
  stop(graceMs?: number): Promise<Exit>;
  /** Sends a signal, by default SIGKILL. */
  kill(signal?: NodeJS.Signals): void;
}

const START_TIMEOUT_MS = 30_000;
const STOP_GRACE_MS = 15_000;
const READY_INTERVAL_MS = 50;
const READY_TIMEOUT_MS = 1_000;
const LAST_LINES = 12;
const TELEMETRY = pathToFileURL(
  createRequire(import.meta.url).resolve("@tercet/service/telemetry"),
).href;
const ORPHAN_GUARD = new URL(`./orphan-guard${extname(import.meta.filename)}`, import.meta.url)
  .href;

/**
 * Starts a process and waits until its `/health/ready` answers 200. Throws StackError with its last
 * words when it ends before.
 */
export async function startServiceProcess(options: ServiceProcessOptions): Promise<ServiceProcess> {
  const { name, main, port, env, telemetry = false } = options;
  options.signal?.throwIfAborted();
  const child = spawn(
    process.execPath,
    [
      "--enable-source-maps",
      "--import",
      ORPHAN_GUARD,
      ...(telemetry ? ["--import", TELEMETRY] : []),
      main,
    ],
    {
      env: { NODE_ENV: "production", ...env, HOST: LOOPBACK, PORT: String(port) },
      // A process group of its own: Ctrl-C in a terminal reaches the stack alone, which stops
      // everything in order.
      detached: true,
      stdio: ["ignore", "pipe", "pipe", "ipc"],
    },
  );
  const exited = exitOf(child);
  const lastWords = listen(child, options);
  const url = `http://${LOOPBACK}:${port}`;
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
    const words = lastWords();
    throw new StackError(
      `${name} did not start (${error.message || exit})${words === "" ? "" : `:\n${words}`}`,
    );
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
  // "close" comes after "exit", when everything it said has been read.
  child.once("close", (code, signal) => resolve(signal ?? `exit code ${code}`));
  child.once("error", ({ message }) => resolve(message));
  return promise;
}

/** Hands its lines on; the result tells its last ones on stderr. */
function listen(
  child: ChildProcess,
  { logFile, onLine = () => {} }: ServiceProcessOptions,
): () => string {
  const file = logFile === undefined ? undefined : createWriteStream(logFile, { flags: "a" });
  // A full disk must not stop the service.
  file?.on("error", () => {});
  const last: string[] = [];
  const read = (stream: NodeJS.ReadableStream | null, isLastWords: boolean) => {
    if (stream === null) return;
    createInterface({ input: stream }).on("line", (line) => {
      file?.write(`${line}\n`);
      if (isLastWords && last.push(line) > LAST_LINES) last.shift();
      onLine(line);
    });
  };
  read(child.stdout, false);
  read(child.stderr, true);
  child.once("close", () => file?.end());
  return () => last.join("\n");
}

/** Throws StackError, with an empty message when the process ended. */
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
      throw new StackError(`not ready in ${startTimeoutMs / 1000} s`);
    await Promise.race([exited, sleep(READY_INTERVAL_MS)]);
  }
  // Somebody else may answer at its port.
  if (ended) throw new StackError("");
}

/** Whether a service answers that it can do its work. */
export async function isReady(url: string): Promise<boolean> {
  try {
    const answer = await fetch(`${url}/health/ready`, {
      signal: AbortSignal.timeout(READY_TIMEOUT_MS),
      headers: { connection: "close" },
    });
    await answer.arrayBuffer();
    return answer.ok;
  } catch {
    return false;
  }
}

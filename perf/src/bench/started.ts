import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { CommandError, type ServiceName, serviceNames } from "@tercet/cli";
import { type Env, readEnv } from "@tercet/service";
import { execa } from "execa";
import type { Shop } from "./buyer.ts";
import { descendants, hasVariable } from "./proc.ts";

/** A system that `pnpm start` runs in a checkout of any revision. */
export interface Started extends Shop, AsyncDisposable {
  /** All of its processes. */
  readonly pids: readonly number[];
  /** Of the services. */
  readonly servicePids: readonly number[];
}

const START_TIMEOUT_MS = 180_000;
const STOP_TIMEOUT_MS = 20_000;
const POLL_MS = 50;

/**
 * Starts a system as a user does, and knows it by what it prints: its addresses and users. Throws
 * CommandError if it does not start.
 */
export async function startSystem(
  checkout: string,
  env: Env,
  signal: AbortSignal,
): Promise<Started> {
  // A process group of its own, which is stopped together, as Ctrl-C does.
  const child = execa("npx", ["-y", "pnpm", "start"], {
    cwd: checkout,
    env: { ...readEnv(), ...env },
    extendEnv: false,
    detached: true,
    reject: false,
    stdin: "ignore",
    all: true,
    buffer: false,
  });
  const pid = child.pid ?? 0;
  const stop = async () => {
    const left = [pid, ...descendants(pid)];
    send([-pid], "SIGINT");
    const deadline = performance.now() + STOP_TIMEOUT_MS;
    while (left.some(isAlive) && performance.now() < deadline) await sleep(POLL_MS);
    send(left, "SIGKILL");
    await child;
  };
  try {
    const printed = await untilPrinted(child.all, signal);
    const shop = {
      urls: { edge: printed("edge"), order: printed("order") },
      users: {
        alice: { email: "alice@example.com", password: printed("alice@example.com") },
        olivia: { email: "olivia@example.com", password: printed("olivia@example.com") },
      },
    };
    const pids = [pid, ...descendants(pid)];
    const servicePids = serviceNames.flatMap((name: ServiceName) =>
      pids.filter((each) => hasVariable(each, "PORT", new URL(printed(name)).port)),
    );
    return { ...shop, pids, servicePids, [Symbol.asyncDispose]: stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Resolves to what is printed beside a name, when everything is. */
async function untilPrinted(
  output: NodeJS.ReadableStream,
  signal: AbortSignal,
): Promise<(name: string) => string> {
  let text = "";
  const names = ["edge", ...serviceNames, "alice@example.com", "olivia@example.com"];
  const find = (name: string) => printedBeside(name, text);
  output.setEncoding("utf8");
  const limit = AbortSignal.any([signal, AbortSignal.timeout(START_TIMEOUT_MS)]);
  const ended = once(output, "end", { signal: limit });
  const complete = new Promise<void>((resolve) => {
    output.on("data", (chunk: string) => {
      text += chunk;
      if (text.includes("Place an order")) resolve();
    });
  });
  await Promise.race([complete, ended]);
  const missing = names.filter((name) => find(name) === undefined);
  if (missing.length > 0)
    throw new CommandError(`the system did not start; it printed:\n${text.trim().slice(-2_000)}`);
  return (name) => find(name) ?? "";
}

/** Returns what `pnpm start` prints beside a name: "edge", "alice@example.com". */
export const printedBeside = (name: string, text: string): string | undefined =>
  new RegExp(`^ +${name.replaceAll(".", "\\.")} +(\\S+)`, "m").exec(text)?.[1];

const isAlive = (pid: number): boolean => send([pid], 0);

/** Returns whether any of them was there. */
function send(pids: readonly number[], signal: NodeJS.Signals | 0): boolean {
  return (
    pids.filter((pid) => {
      try {
        return process.kill(pid, signal);
      } catch {
        return false;
      }
    }).length > 0
  );
}

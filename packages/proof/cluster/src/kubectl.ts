import { CommandError } from "@tercet/cli";
import { execa } from "execa";
import { type Box, inNetwork } from "./box.ts";
import type { ClusterFolder } from "./folder.ts";

export interface RunOptions {
  readonly signal: AbortSignal;
  /** Written to standard input; nothing by default. */
  readonly input?: string;
  readonly timeoutMs?: number;
  /** Whether a failure is returned instead of thrown. */
  readonly allowFailure?: boolean;
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
}

export interface Ran {
  /** Undefined if it was killed. */
  readonly code: number | undefined;
  readonly stdout: string;
  /** Standard output and standard error. */
  readonly said: string;
}

const LIMIT_MS = 60_000;

/**
 * Runs a program of this machine in the network of the cluster, with its kubeconfig. Throws
 * CommandError if it fails.
 */
export async function runAtCluster(
  box: Box,
  folder: ClusterFolder,
  command: readonly string[],
  { signal, input, timeoutMs = LIMIT_MS, allowFailure = false, cwd, env }: RunOptions,
): Promise<Ran> {
  const { exitCode, stdout, all, timedOut } = await execa(
    "nsenter",
    [...inNetwork(box), ...command],
    {
      ...(input === undefined ? { stdin: "ignore" as const } : { input }),
      ...(cwd !== undefined && { cwd }),
      env: { ...env, ...environment(folder) },
      ...{ all: true, reject: false, killSignal: "SIGKILL", cancelSignal: signal },
      timeout: timeoutMs,
    },
  );
  signal.throwIfAborted();
  if (exitCode !== 0 && !allowFailure) {
    const why = timedOut ? `took longer than ${timeoutMs / 1_000} s` : `ended with ${exitCode}`;
    throw new CommandError(`${command.join(" ").slice(0, 300)} ${why}:\n${all.slice(-4_000)}`);
  }
  return { code: exitCode, stdout: stdout ?? "", said: all ?? "" };
}

/** What makes programs such as helm use the cluster. */
export const environment = (folder: ClusterFolder): Record<string, string> => ({
  KUBECONFIG: folder.at("kubeconfig"),
  // No proxy leads into the box.
  ...Object.fromEntries(
    ["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY", "all_proxy"].map(
      (name) => [name, ""],
    ),
  ),
});

export const kubectl = (
  box: Box,
  folder: ClusterFolder,
  args: readonly string[],
  options: RunOptions,
): Promise<Ran> => runAtCluster(box, folder, ["kubectl", ...args], options);

/** Returns an object, or a list of them, as JSON. */
export async function getJson<T>(
  box: Box,
  folder: ClusterFolder,
  args: readonly string[],
  options: RunOptions,
): Promise<T> {
  const { stdout } = await kubectl(box, folder, ["get", ...args, "--output=json"], options);
  return JSON.parse(stdout) as T;
}

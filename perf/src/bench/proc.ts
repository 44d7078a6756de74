import { readdirSync, readFileSync } from "node:fs";

const BYTES_PER_KB = 1_024;
const BYTES_PER_MB = 1_000_000;
const NANOSECONDS_PER_MS = 1_000_000;

/** Returns the processes that a process started, and those that they started. Linux only. */
export function descendants(of: number): number[] {
  const children = new Map<number, number[]>();
  for (const name of readdirSync("/proc")) {
    const pid = Number(name);
    const parent = Number.isInteger(pid) ? parentOf(pid) : undefined;
    if (parent !== undefined) children.set(parent, [...(children.get(parent) ?? []), pid]);
  }
  const below = (pid: number): number[] =>
    (children.get(pid) ?? []).flatMap((child) => [child, ...below(child)]);
  return below(of);
}

/** Returns whether a process was started with this variable. Linux only. */
export const hasVariable = (pid: number, name: string, value: string): boolean =>
  (read(pid, "environ") ?? "").split("\0").includes(`${name}=${value}`);

/** Returns the memory that is resident of these processes, in MB; NaN without /proc. */
export const residentMb = (pids: readonly number[]): number =>
  pids.reduce((sum, pid) => sum + residentMbOf(pid), 0);

function residentMbOf(pid: number): number {
  const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(read(pid, "status") ?? "")?.[1];
  return kilobytes === undefined ? Number.NaN : (Number(kilobytes) * BYTES_PER_KB) / BYTES_PER_MB;
}

/**
 * Returns the CPU time of the threads that a process has, in milliseconds, finer than `cpuMs`: that
 * of threads that have ended is not in it. NaN without /proc.
 */
export function threadsCpuMs(pid: number): number {
  try {
    return readdirSync(`/proc/${pid}/task`).reduce((sum, thread) => {
      const nanoseconds = Number(read(pid, `task/${thread}/schedstat`)?.split(" ")[0] ?? 0);
      return sum + nanoseconds / NANOSECONDS_PER_MS;
    }, 0);
  } catch {
    return Number.NaN;
  }
}

/** The field after the state, which follows the name: that may contain spaces. */
function parentOf(pid: number): number | undefined {
  const stat = read(pid, "stat");
  return stat === undefined
    ? undefined
    : Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
}

/** Undefined if the process has ended. */
function read(pid: number, file: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "utf8");
  } catch {
    return undefined;
  }
}

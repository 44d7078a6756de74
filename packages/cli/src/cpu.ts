import { readFileSync } from "node:fs";

/** Linux reports hundredths of a second, independent of the kernel's own clock. */
const MS_PER_TICK = 10;
/** Positions of utime and stime after the name, which may contain spaces. */
const [UTIME, STIME] = [11, 12];

/** Returns the CPU time of these processes until now, in milliseconds; NaN without /proc. */
export function cpuMs(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + cpuMsOf(pid), 0);
}

function cpuMsOf(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return (Number(fields[UTIME]) + Number(fields[STIME])) * MS_PER_TICK;
  } catch {
    return Number.NaN;
  }
}

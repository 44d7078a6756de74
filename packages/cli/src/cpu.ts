import { readFileSync } from "node:fs";

/** Linux counts in hundredths of a second, whatever the kernel's own clock does. */
const MS_PER_TICK = 10;
/** After the name, which may have spaces: utime and stime. */
const [UTIME, STIME] = [11, 12];

/**
 * What these processes have used of the processors until now, in milliseconds; NaN where there is
 * no /proc to tell.
 */
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

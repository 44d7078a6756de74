import { readFile } from "node:fs/promises";

/** Linux counts in hundredths of a second. */
const MS_PER_TICK = 10;
/** utime and stime, counted from behind the name, which may have spaces. */
const [UTIME, STIME] = [11, 12];

/** What a process has used of the processors until now, in milliseconds; undefined where there is no /proc to tell, and when it has ended. */
export async function cpuMs(pid: number): Promise<number | undefined> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return (Number(fields[UTIME]) + Number(fields[STIME])) * MS_PER_TICK;
  } catch {
    return undefined;
  }
}

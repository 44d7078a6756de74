import { readFileSync } from "node:fs";
import { execa } from "execa";

/** Returns the processors that this process may use; none where Linux does not say. */
export function processors(): readonly number[] {
  try {
    const status = readFileSync("/proc/self/status", "utf8");
    return parseList(/^Cpus_allowed_list:\s*(\S+)$/m.exec(status)?.[1] ?? "");
  } catch {
    return [];
  }
}

/** Moves a process, and those that it starts from now on, to these processors. */
export async function pin(pid: number, to: readonly number[]): Promise<void> {
  await execa("taskset", ["--all-tasks", "--cpu-list", "--pid", to.join(","), String(pid)]);
}

/** Returns the numbers of a list as Linux writes it: "0,2-3" is 0, 2 and 3. */
export function parseList(list: string): number[] {
  if (list === "") return [];
  return list.split(",").flatMap((range) => {
    const [first = Number.NaN, last = first] = range.split("-").map(Number);
    return Array.from({ length: last - first + 1 }, (_, n) => first + n);
  });
}

import { readFile, readlink, stat, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type ProgressListener, silentListener } from "@tercet/cli";
import { StackError } from "./errors.ts";

/** How a server is asked to end, and the time it has: fast, immediate, and by the kernel. */
const STAGES: readonly (readonly [NodeJS.Signals, number])[] = [
  ["SIGINT", 10_000],
  ["SIGQUIT", 5_000],
  ["SIGKILL", 5_000],
];
const POLL_MS = 50;
/** Between the start of a process and the time that PostgreSQL writes down; clocks are adjusted. */
const START_TOLERANCE_S = 60;
/** No process has it. */
const NO_PROCESS = 2_147_483_647;

/**
 * Stops the server of a stack that was killed: it still holds the folder and the port. The process
 * id in the folder may belong to any other process by now, which is left alone and reported. Throws
 * StackError if the server does not end.
 */
export async function stopLeftOver(
  folder: string,
  { progress, notice }: ProgressListener = silentListener,
  stages = STAGES,
): Promise<void> {
  const file = join(folder, "postmaster.pid");
  const text = await readFile(file, "utf8").catch(() => "");
  const { pid, startedAt } = parsePidFile(text);
  // A negative id is of a repair in PostgreSQL's single-user mode.
  if (!Number.isInteger(pid) || pid <= 1 || !isAlive(pid)) return;
  const relation = relationTo(folder, startedAt, await describeProcess(pid, folder));
  if (relation === "server") {
    await progress("stopping the PostgreSQL of the stack that was killed", () =>
      end(pid, folder, stages),
    );
    return;
  }
  notice(`${file} names process ${pid}, which is not known to be its PostgreSQL: it is left alone`);
  // PostgreSQL would not start while that process lives. With an id that no process has, it still
  // looks by itself for a server that uses the folder's shared memory, which the file names too.
  if (relation === "other") await writeFile(file, text.replace(/^\d+/, String(NO_PROCESS)));
}

/** Its lines: https://www.postgresql.org/docs/current/storage-file-layout.html */
function parsePidFile(text: string): { pid: number; startedAt: number } {
  const [pid, , startedAt] = text.split("\n");
  return { pid: Number(pid), startedAt: Number(startedAt) };
}

/** A process, as the system describes it. */
interface SeenProcess {
  readonly executable: string;
  /** Its arguments, joined by spaces. */
  readonly args: string;
  /** Seconds since 1970. */
  readonly startedAt: number;
  /** Whether it works in the data folder, as its server does; undefined if that is not known. */
  readonly worksHere?: boolean | undefined;
}

/** Returns what a process is to a folder whose server started at this time. */
function relationTo(
  folder: string,
  startedAt: number,
  seen: SeenProcess | undefined,
): "server" | "other" | "unknown" {
  if (seen === undefined) return "unknown";
  if (basename(seen.executable) !== "postgres" || seen.worksHere === false) return "other";
  const worksHere = seen.worksHere ?? seen.args.startsWith(`-D ${folder} `);
  const isOurs = worksHere && Math.abs(seen.startedAt - startedAt) <= START_TOLERANCE_S;
  return isOurs ? "server" : "unknown";
}

/** Resolves to undefined if the system does not tell. */
async function describeProcess(pid: number, folder: string): Promise<SeenProcess | undefined> {
  try {
    return await (process.platform === "linux" ? fromProc(pid, folder) : fromPs(pid));
  } catch {
    return undefined;
  }
}

/** proc(5). The kernel counts a process's time in hundredths of a second since the boot. */
async function fromProc(pid: number, folder: string): Promise<SeenProcess> {
  const [command, status, system] = await Promise.all(
    [`/proc/${pid}/cmdline`, `/proc/${pid}/stat`, "/proc/stat"].map((path) =>
      readFile(path, "utf8"),
    ),
  );
  const [program = "", ...args] = (command ?? "").split("\0");
  // After the name in parentheses, which may contain anything.
  const fields = status?.slice(status.lastIndexOf(")") + 2).split(" ") ?? [];
  const bootedAt = Number(/^btime (\d+)$/m.exec(system ?? "")?.[1]);
  return {
    // Unreadable for another account's processes where even root may not trace them (Docker).
    executable: await readlink(`/proc/${pid}/exe`).then(
      (path) => path.replace(/ \(deleted\)$/, ""),
      () => program,
    ),
    args: args.join(" "),
    startedAt: bootedAt + Number(fields[19]) / 100,
    worksHere: await isSameFolder(`/proc/${pid}/cwd`, folder),
  };
}

/** Resolves to undefined if a path cannot be followed. */
async function isSameFolder(path: string, other: string): Promise<boolean | undefined> {
  const [one, two] = await Promise.all([stat(path), stat(other)]).catch(() => []);
  if (one === undefined || two === undefined) return undefined;
  return one.ino === two.ino && one.dev === two.dev;
}

async function fromPs(pid: number): Promise<SeenProcess> {
  const { execa } = await import("execa");
  const ask = async (column: string) => {
    const flags = ["-ww", "-p", String(pid), "-o", `${column}=`];
    const options = { env: { LC_ALL: "C" }, timeout: 5_000 };
    return (await execa("ps", flags, options)).stdout.trim();
  };
  const [executable, command, started] = await Promise.all([
    ask("comm"),
    ask("args"),
    ask("lstart"),
  ]);
  return {
    executable,
    args: command.slice(executable.length + 1),
    startedAt: Date.parse(started) / 1_000,
  };
}

async function end(pid: number, folder: string, stages: typeof STAGES): Promise<void> {
  for (const [signal, limitMs] of stages) {
    process.kill(pid, signal);
    const deadline = performance.now() + limitMs;
    while (isAlive(pid) && performance.now() < deadline) await sleep(POLL_MS);
    if (!isAlive(pid)) return;
  }
  throw new StackError(
    `process ${pid}, the PostgreSQL of a stack that was killed, holds ${folder} and does not end: end it, and start again`,
  );
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

import { type ChildProcess, fork } from "node:child_process";
import { extname } from "node:path";
import { fileURLToPath } from "node:url";
import { CommandError } from "@tercet/cli";

/**
 * A process of its own that is told to measure, or to be measured: what it costs is then its own.
 */
export interface Worker<Told, Answer> extends AsyncDisposable {
  readonly pid: number;
  /** What it said when it was ready. */
  readonly first: unknown;
  ask(told: Told): Promise<Answer>;
}

export interface WorkerOptions {
  readonly args: readonly string[];
  /** Over this process's own. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/** `module` stands beside this one, without its ending, and calls `answer`. */
export async function startWorker<Told, Answer>(
  module: string,
  { args, env }: WorkerOptions,
): Promise<Worker<Told, Answer>> {
  const child = fork(
    fileURLToPath(new URL(`${module}${extname(import.meta.filename)}`, import.meta.url)),
    args,
    {
      env: { ...process.env, ...env },
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    },
  );
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const first = await answered(child);
  return {
    pid: child.pid ?? 0,
    first,
    ask: (told) => {
      const answer = answered(child);
      child.send(told as never);
      return answer as Promise<Answer>;
    },
    [Symbol.asyncDispose]: async () => {
      child.kill();
      await ended;
    },
  };
}

function answered(child: ChildProcess): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const onExit = (code: number | null) =>
      reject(new CommandError(`a process of the benchmark ended with exit code ${code}`));
    child.once("exit", onExit).once("message", (message) => {
      child.off("exit", onExit);
      resolve(message);
    });
  });
}

/** In a worker: says that it is ready with a first word, then answers whatever it is asked. */
export function answer<Told, Answer>(first: unknown, work: (told: Told) => Promise<Answer>): void {
  const send = (message: unknown) => process.send?.(message as never);
  process.on("message", (told: Told) => void work(told).then(send));
  process.on("disconnect", () => process.exit());
  send(first);
}

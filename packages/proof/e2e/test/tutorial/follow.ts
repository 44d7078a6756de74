import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { patient } from "../patience.ts";
import { copyEnv, givingWay } from "./copy.ts";

export interface FollowOptions {
  /** The copy of the repository in which the reader works. */
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** Texts of commands that are different on this machine. */
  readonly replace: Readonly<Record<string, string>>;
}

/** What the first terminal is for: it runs until Ctrl-C. */
const START = "npx -y pnpm start";
const STARTED = "Tercet is running";
const TRAP = `trap 'echo "failed: $BASH_COMMAND"' ERR`;
const END = "-- end of block --";

/**
 * Does what a tutorial says, as its reader would: pastes each block of commands into one shell,
 * makes each change, and starts and stops the system. Resolves to the output of the shell. Throws
 * with the output if a command fails or a change does not fit.
 */
export async function follow(page: string, options: FollowOptions): Promise<string> {
  const text = await readFile(page, "utf8");
  await using shell = openShell(options);
  await using stack = new FirstTerminal(options);
  const parts = /^```(sh|diff)\n([\s\S]*?)^```$|Press `Ctrl-C` in the first terminal\./gm;
  for (const [, kind, block = ""] of text.matchAll(parts)) {
    if (kind === undefined) await stack.stop();
    else if (kind === "diff") await change(options.cwd, block);
    else if (block.trim() === START) await stack.start();
    else await shell.paste(block);
  }
  return shell.output();
}

/** Applies a block whose first line names a file. Its other lines are in the file exactly once. */
async function change(cwd: string, block: string): Promise<void> {
  const [, file = "", body = ""] = /^--- ([^\n]*)\n(.*)$/s.exec(block) ?? [];
  const lines = body.split("\n").filter((line) => line !== "");
  const side = (skipped: string) =>
    lines
      .filter((line) => !line.startsWith(skipped))
      .map((line) => `${line.slice(1)}\n`)
      .join("");
  const [before, after] = [side("+"), side("-")];
  const text = await readFile(join(cwd, file), "utf8");
  if (text.split(before).length !== 2)
    throw new Error(`${file} does not contain exactly once:\n${before}\nIt is:\n${text}`);
  await writeFile(
    join(cwd, file),
    text.replace(before, () => after),
  );
}

interface Shell extends AsyncDisposable {
  paste(block: string): Promise<void>;
  output(): string;
}

function openShell({ cwd, env, replace }: FollowOptions): Shell {
  const child = spawn(...givingWay("bash", "-o", "pipefail"), {
    cwd,
    env: { ...copyEnv(cwd), ...env },
    stdio: ["pipe", "pipe", "pipe"],
  });
  let output = "";
  const listening = collect(child, (chunk) => {
    output += chunk;
  });
  return {
    paste: async (block) => {
      const commands = Object.entries(replace).reduce(
        (text, [from, to]) => text.replaceAll(from, to),
        block,
      );
      const begin = output.length;
      // By `eval`: programs of the block would otherwise read the blocks after it as their input.
      // What a block defines stays; a failed command is reported.
      const script = Buffer.from(`${TRAP}\n${commands}`).toString("base64");
      child.stdin?.write(`eval "$(base64 -d <<< ${script})" < /dev/null; echo "${END}"\n`);
      await listening.until(() => output.includes(END, begin));
      const shown = output.slice(begin);
      if (shown.includes("failed: ")) throw new Error(`${commands}\n${shown}`);
    },
    output: () => output,
    [Symbol.asyncDispose]: async () => {
      child.stdin?.end();
      if (child.exitCode === null) await once(child, "close");
    },
  };
}

/** Runs the system until Ctrl-C. */
class FirstTerminal implements AsyncDisposable {
  readonly #options: FollowOptions;
  #child: ChildProcess | undefined;

  constructor(options: FollowOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    const { cwd, env } = this.#options;
    // In its own process group, which Ctrl-C reaches as a whole.
    const child = spawn(...givingWay("bash", "-c", START), {
      cwd,
      env: { ...copyEnv(cwd), ...env },
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#child = child;
    let output = "";
    const listening = collect(child, (chunk) => {
      output += chunk;
    });
    await listening.until(() => output.includes(STARTED));
    if (!output.includes("shipping")) throw new Error(`shipping is not listed:\n${output}`);
  }

  async stop(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child?.pid === undefined || child.exitCode !== null) return;
    const closed = once(child, "close");
    process.kill(-child.pid, "SIGINT");
    await closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

/** Limit for one block of commands, or for a start of the system. */
const PATIENCE_MS = 240_000;

/**
 * Reads both outputs of a process. `until` throws with the output if the process ends before, or
 * takes too long; then it kills the process.
 */
function collect(child: ChildProcess, onChunk: (chunk: string) => void) {
  let all = "";
  let check = () => {};
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding("utf8").on("data", (chunk: string) => {
      all += chunk;
      onChunk(chunk);
      check();
    });
  return {
    until: (holds: () => boolean): Promise<void> => {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      check = () => {
        if (holds()) resolve();
      };
      const timer = setTimeout(() => {
        child.kill("SIGKILL");
        reject(new Error(`still running after a long time:\n${all}`));
      }, patient(PATIENCE_MS));
      child.once("close", () => reject(new Error(`the process ended:\n${all}`)));
      check();
      return promise.finally(() => clearTimeout(timer));
    },
  };
}

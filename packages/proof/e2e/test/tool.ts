import { spawn } from "node:child_process";
import { expect, vi } from "vitest";

export { onPath } from "@tercet/cli";

export interface Tool {
  readonly path: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Responds with 200 when it is up. */
  readonly readyUrl: string;
}

/** Starts a third-party tool. Throws with the end of its output if it ends before it is up. */
export async function startTool({
  path,
  args,
  env = {},
  readyUrl,
}: Tool): Promise<AsyncDisposable> {
  const child = spawn(path, args, {
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const said: string[] = [];
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk) => void said.push(String(chunk)));
  const ended = new Promise<void>((resolve) =>
    child.once("close", () => resolve()).once("error", () => resolve()),
  );
  const stop = async () => {
    child.kill();
    await ended;
  };
  let gone = false;
  void ended.then(() => {
    gone = true;
  });
  try {
    await vi.waitUntil(() => gone || isUp(readyUrl), { timeout: 30_000, interval: 100 });
    expect(gone, said.join("").slice(-2_000)).toBe(false);
  } catch (error) {
    await stop();
    throw error;
  }
  return { [Symbol.asyncDispose]: stop };
}

const isUp = (url: string): Promise<boolean> =>
  fetch(url).then(
    ({ ok }) => ok,
    () => false,
  );

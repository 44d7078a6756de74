import { extname } from "node:path";
import { fileURLToPath } from "node:url";
import type { Env } from "@tercet/service";
import { execaNode, getEachMessage, type Message, sendMessage } from "execa";

/**
 * Starts a process of its own that measures or is measured, so that its costs are its own. `module`
 * is next to this one, without its extension, and calls `respond`. `env` is added to this process's
 * own.
 */
export async function startWorker<Request, Response>(
  module: string,
  args: readonly string[],
  env: Env = {},
) {
  const path = fileURLToPath(new URL(`${module}${extname(import.meta.filename)}`, import.meta.url));
  const worker = execaNode(path, args, {
    env,
    ipc: true,
    reject: false,
    stdin: "ignore",
    stdout: "inherit",
    stderr: "inherit",
  });
  /** The message that it sent when it was ready. */
  const first: unknown = await worker.getOneMessage();
  return {
    pid: worker.pid ?? 0,
    first,
    ask: async (request: Request): Promise<Response> => {
      const [response] = await Promise.all([
        worker.getOneMessage(),
        worker.sendMessage(request as Message),
      ]);
      return response as Response;
    },
    [Symbol.asyncDispose]: async (): Promise<void> => {
      worker.kill();
      await worker;
    },
  };
}

/** In a worker: sends `first`, then responds to each request until the parent disconnects. */
export async function respond<Request, Response>(
  first: unknown,
  work: (request: Request) => Promise<Response>,
): Promise<void> {
  await sendMessage(first as Message);
  for await (const request of getEachMessage())
    await sendMessage((await work(request as Request)) as Message);
  process.exit();
}

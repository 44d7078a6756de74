import { once } from "node:events";

/** In MB. */
export interface Memory {
  /** Of the heap and outside of it, after a collection. */
  readonly keptMb: number;
  readonly residentMb: number;
}

/** What a process with `--inspect` says of itself, by the DevTools protocol. */
export interface Inspector extends Disposable {
  memory(): Promise<Memory>;
}

interface Reply {
  readonly id?: number;
  readonly result?: { readonly result?: { readonly value?: unknown } };
}

const MB = 2 ** 20;

export async function openInspector(port: number): Promise<Inspector> {
  const targets = await (await fetch(`http://127.0.0.1:${port}/json`)).json();
  const [{ webSocketDebuggerUrl }] = targets as [{ webSocketDebuggerUrl: string }];
  const socket = new WebSocket(webSocketDebuggerUrl);
  await once(socket, "open");
  let last = 0;
  const send = async (method: string, params: object = {}): Promise<Reply> => {
    const id = ++last;
    const { promise, resolve } = Promise.withResolvers<Reply>();
    const onMessage = ({ data }: MessageEvent) => {
      const reply = JSON.parse(String(data)) as Reply;
      if (reply.id === id) resolve(reply);
    };
    socket.addEventListener("message", onMessage);
    socket.send(JSON.stringify({ id, method, params }));
    const reply = await promise;
    socket.removeEventListener("message", onMessage);
    return reply;
  };
  const evaluate = async <T>(expression: string): Promise<T> =>
    (await send("Runtime.evaluate", { expression, returnByValue: true })).result?.result
      ?.value as T;
  return {
    async memory() {
      await send("HeapProfiler.collectGarbage");
      const { heapUsed, external, rss } =
        await evaluate<NodeJS.MemoryUsage>("process.memoryUsage()");
      return { keptMb: (heapUsed + external) / MB, residentMb: rss / MB };
    },
    [Symbol.dispose]: () => socket.close(),
  };
}

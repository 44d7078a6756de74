import { once } from "node:events";

/** In MB. */
export interface Memory {
  /** Of the heap after a full collection: what is still referenced. */
  readonly heapMb: number;
  /** Outside of the heap, also after it. */
  readonly externalMb: number;
  readonly residentMb: number;
}

/** What a process that was started with `--inspect` says of itself, by the DevTools protocol. */
export interface Inspector extends Disposable {
  memory(): Promise<Memory>;
}

interface Reply {
  readonly id?: number;
  readonly result?: { readonly result?: { readonly value?: unknown } };
}

const TIMEOUT_MS = 10_000;
const BYTES_PER_MB = 1_000_000;

/** Connects to the debugger at a port of this machine. Rejects if it does not respond in 10 s. */
export async function openInspector(port: number): Promise<Inspector> {
  const targets = await fetch(`http://127.0.0.1:${port}/json/list`, {
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  const [target] = (await targets.json()) as { readonly webSocketDebuggerUrl: string }[];
  const socket = new WebSocket(target?.webSocketDebuggerUrl ?? "");
  await once(socket, "open", { signal: AbortSignal.timeout(TIMEOUT_MS) });
  let last = 0;
  const send = async (method: string, params: object = {}): Promise<Reply> => {
    const id = ++last;
    const { promise, resolve, reject } = Promise.withResolvers<Reply>();
    const onMessage = ({ data }: MessageEvent) => {
      const reply = JSON.parse(String(data)) as Reply;
      if (reply.id === id) resolve(reply);
    };
    socket.addEventListener("message", onMessage);
    const timer = setTimeout(() => reject(new Error(`no reply to ${method}`)), TIMEOUT_MS);
    socket.send(JSON.stringify({ id, method, params }));
    return await promise.finally(() => {
      clearTimeout(timer);
      socket.removeEventListener("message", onMessage);
    });
  };
  return {
    async memory() {
      await send("HeapProfiler.collectGarbage");
      const expression = "process.memoryUsage()";
      const { result } = await send("Runtime.evaluate", { expression, returnByValue: true });
      const usage = result?.result?.value as NodeJS.MemoryUsage | undefined;
      if (usage === undefined) throw new Error("the process does not say what memory it uses");
      return {
        heapMb: usage.heapUsed / BYTES_PER_MB,
        externalMb: usage.external / BYTES_PER_MB,
        residentMb: usage.rss / BYTES_PER_MB,
      };
    },
    [Symbol.dispose]: () => socket.close(),
  };
}

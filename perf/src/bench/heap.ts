import { once } from "node:events";

/** The heap of a process that was started with `--inspect`, by the protocol of its debugger. */
export interface Heap extends Disposable {
  /** Resolves to what is used after a full collection, in MB: what is still referenced. */
  usedMb(): Promise<number>;
}

const TIMEOUT_MS = 10_000;
const BYTES_PER_MB = 1_000_000;

/** Connects to the debugger at a port of this machine. */
export async function openHeap(port: number): Promise<Heap> {
  const response = await fetch(`http://127.0.0.1:${port}/json/list`, {
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  const [target] = (await response.json()) as { readonly webSocketDebuggerUrl: string }[];
  const socket = new WebSocket(target?.webSocketDebuggerUrl ?? "");
  await once(socket, "open", { signal: AbortSignal.timeout(TIMEOUT_MS) });
  let last = 0;
  const ask = async (method: string): Promise<unknown> => {
    const id = ++last;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const onMessage = ({ data }: MessageEvent) => {
      const reply = JSON.parse(String(data)) as { readonly id?: number; readonly result?: unknown };
      if (reply.id === id) resolve(reply.result);
    };
    socket.addEventListener("message", onMessage);
    const limit = AbortSignal.timeout(TIMEOUT_MS);
    limit.addEventListener("abort", () => reject(limit.reason));
    socket.send(JSON.stringify({ id, method }));
    return await promise.finally(() => socket.removeEventListener("message", onMessage));
  };
  return {
    usedMb: async () => {
      await ask("HeapProfiler.collectGarbage");
      const { usedSize } = (await ask("Runtime.getHeapUsage")) as { readonly usedSize: number };
      return usedSize / BYTES_PER_MB;
    },
    [Symbol.dispose]: () => socket.close(),
  };
}

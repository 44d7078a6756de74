import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/** One address for a service whose processes come and go, as a load balancer gives it. */
export interface Relay extends AsyncDisposable {
  readonly url: string;
  /** From now on connections go there; those that are open end. */
  to(url: string): void;
}

export async function startRelay(): Promise<Relay> {
  let target: URL | undefined;
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    if (target === undefined) return void client.destroy();
    const upstream = connect(Number(target.port), target.hostname);
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(socket);
      socket
        .on("error", () => {})
        .on("close", () => {
          sockets.delete(socket);
          other.destroy();
        });
      socket.pipe(other);
    }
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const disconnect = () => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    to: (url) => {
      target = new URL(url);
      disconnect();
    },
    [Symbol.asyncDispose]: async () => {
      const closed = once(server.close(), "close");
      disconnect();
      await closed;
    },
  };
}

import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { pipeline } from "node:stream";
import { LOOPBACK } from "@tercet/cli";

/** A second port of a server, whatever it speaks. Disposing of it closes its connections. */
export interface PortAlias extends AsyncDisposable {
  /** Accepts no new connections; those that are open continue. */
  drain(): void;
}

/** As many as the server itself accepts. */
const MAX_CONNECTIONS = 2_000;

/** Opens `port`, whose connections go to the server at `target`. */
export async function startPortAlias(port: number, target: number): Promise<PortAlias> {
  const open = new Set<Socket>();
  // Either side may end its half first.
  const both = { allowHalfOpen: true, noDelay: true };
  const server = createServer(both, (client) => {
    const upstream = connect({ ...both, host: LOOPBACK, port: target });
    open.add(client);
    client.once("close", () => void open.delete(client));
    upstream.once("close", () => client.destroySoon());
    // What goes wrong closes both.
    pipeline(client, upstream, client, () => {});
  });
  server.maxConnections = MAX_CONNECTIONS;
  await once(server.listen(port, LOOPBACK), "listening");
  const closed = once(server, "close");
  let draining = false;
  const drain = () => {
    if (!draining) server.close();
    draining = true;
  };
  return {
    drain,
    [Symbol.asyncDispose]: async () => {
      drain();
      for (const client of open) client.destroy();
      await closed;
    },
  };
}

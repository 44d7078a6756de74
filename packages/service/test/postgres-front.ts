import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { type SecureContextOptions, TLSSocket } from "node:tls";

/** The behaviour of the proxy; "hangs up" closes each connection at once. */
export type Manner = "passes" | "silent" | "hangs up";

export interface PostgresFront extends AsyncDisposable {
  /** The database's URL through the proxy. */
  readonly url: URL;
  /** Connections accepted so far. */
  readonly accepted: number;
  /** Connections that are open now. */
  readonly open: number;
  behave(manner: Manner): void;
  /** Ends every connection, by RST. */
  reset(): void;
}

/** A code instead of a protocol version (PostgreSQL, "Message Formats", SSLRequest). */
const SSL_REQUEST = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]);

/** Starts a proxy in front of PostgreSQL; with `tls`, clients must request TLS. */
export async function postgresFront(
  databaseUrl: string,
  tls?: SecureContextOptions,
): Promise<PostgresFront> {
  const target = new URL(databaseUrl);
  const open = new Set<Socket>();
  let manner: Manner = "passes";
  let accepted = 0;
  const join = (client: Socket) => {
    const server = connect(Number(target.port), target.hostname);
    for (const [from, to] of [[client, server] as const, [server, client] as const])
      from
        .on("error", () => {})
        .on("close", () => to.destroy())
        // Bytes sent while silent are lost.
        .on("data", (bytes) => manner === "passes" && to.write(bytes));
  };
  const listener = createServer((client) => {
    accepted++;
    open.add(client.on("error", () => {}).on("close", () => open.delete(client)));
    const greet = manner === "hangs up" ? (client: Socket) => void client.end() : join;
    if (tls === undefined) greet(client);
    else void upgraded(client, tls).then(greet, () => client.destroy());
  });
  await once(listener.listen(0, "127.0.0.1"), "listening");
  const url = new URL(databaseUrl);
  url.port = String((listener.address() as AddressInfo).port);
  const reset = () => open.forEach((client) => void client.resetAndDestroy());
  return {
    url,
    get accepted() {
      return accepted;
    },
    get open() {
      return open.size;
    },
    behave: (next) => {
      manner = next;
    },
    reset,
    async [Symbol.asyncDispose]() {
      const closed = once(listener.close(), "close");
      reset();
      await closed;
    },
  };
}

async function upgraded(client: Socket, tls: SecureContextOptions): Promise<Socket> {
  const [request] = (await once(client, "data")) as [Buffer];
  if (!request.equals(SSL_REQUEST)) throw new Error("the client did not request TLS");
  client.write("S");
  const secured = new TLSSocket(client, { isServer: true, ...tls }).on("error", () => {});
  await once(secured, "secure");
  return secured;
}

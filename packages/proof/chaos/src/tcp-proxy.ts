import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/** What the network does to bytes in both directions. */
export interface NetworkFault {
  /** How much later they arrive. */
  readonly latencyMs?: number;
  /** Of each connection and direction. */
  readonly bytesPerSecond?: number;
  /**
   * Nothing passes and nothing is refused, as when a cable is cut. Bytes in transit arrive when the
   * fault ends, as TCP retransmits them.
   */
  readonly blackHole?: boolean;
}

type Matcher = (bytes: Buffer) => boolean;

interface Connection {
  readonly client: Socket;
  readonly server: Socket;
  /** Set when a request matched. */
  drop?: Drop;
}

interface Drop {
  readonly request: Matcher;
  readonly reply: Matcher;
  readonly dropped: () => void;
}

const HOST = "127.0.0.1";
const SLICES_PER_SECOND = 20;

export async function startTcpProxy(...targets: readonly string[]): Promise<TcpProxy> {
  const proxy = new TcpProxy();
  proxy.to(...targets);
  await proxy.listen();
  return proxy;
}

/** One TCP address for changing servers, behind a network into which faults can be injected. */
export class TcpProxy implements AsyncDisposable {
  readonly #listener = createServer({ allowHalfOpen: true }, (client) => void this.#accept(client));
  readonly #open = new Set<Connection>();
  #targets: readonly URL[] = [];
  #turn = 0;
  #fault: NetworkFault = {};
  /** Aborts when the fault changes, which ends every pause. */
  #changed = new AbortController();
  #drop: Drop | undefined;

  async listen(): Promise<void> {
    await once(this.#listener.listen(0, HOST), "listening");
  }

  get port(): number {
    return (this.#listener.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://${HOST}:${this.port}`;
  }

  /** Open connections. */
  get connections(): number {
    return this.#open.size;
  }

  /** Sends new connections to these URLs in turn, and skips those that refuse. */
  to(...urls: readonly string[]): void {
    this.#targets = urls.map((url) => new URL(url));
  }

  /** Replaces the current fault; ends it without an argument. */
  inject(fault: NetworkFault = {}): void {
    this.#fault = fault;
    this.#changed.abort();
    this.#changed = new AbortController();
  }

  /** Ends every connection by RST. */
  reset(): void {
    for (const { client, server } of this.#open) {
      client.resetAndDestroy();
      server.resetAndDestroy();
    }
  }

  /** Sends FIN to every client, and goes on reading from it. */
  halfClose(): void {
    for (const { client } of this.#open) client.end();
  }

  /**
   * Loses one reply: on the first connection with a matching request, the first bytes of the server
   * that match `reply` are dropped and the connection is reset. Resolves when that has happened.
   */
  dropReply(request: Matcher, reply: Matcher = () => true): Promise<void> {
    return new Promise((dropped) => {
      this.#drop = { request, reply, dropped };
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#listener.close(), "close");
    this.reset();
    this.inject();
    await closed;
  }

  async #accept(client: Socket): Promise<void> {
    client.on("error", () => {});
    const server = await this.#reach();
    if (server === undefined || client.destroyed) {
      server?.destroy();
      return void client.resetAndDestroy();
    }
    const connection: Connection = { client, server };
    this.#open.add(connection);
    for (const [end, other] of [
      [client, server],
      [server, client],
    ] as const)
      end
        .on("error", () => {})
        .on("close", () => {
          this.#open.delete(connection);
          other.destroy();
        });
    this.#pump(client, server, (bytes) => {
      if (!this.#drop?.request(bytes)) return false;
      [connection.drop, this.#drop] = [this.#drop, undefined];
      return false;
    });
    this.#pump(server, client, (bytes) => losesReply(connection, bytes));
  }

  async #reach(): Promise<Socket | undefined> {
    for (let tries = 0; tries < this.#targets.length; tries++) {
      const target = this.#targets[this.#turn++ % this.#targets.length];
      if (target === undefined) return undefined;
      const socket = connect({
        host: target.hostname,
        port: Number(target.port),
        allowHalfOpen: true,
      }).on("error", () => {});
      try {
        await once(socket, "connect");
        return socket;
      } catch {
        socket.destroy();
      }
    }
    return undefined;
  }

  /**
   * Delivers pieces in order; latencies of consecutive pieces overlap. `stops` returns whether it
   * ended the connection instead.
   */
  #pump(from: Socket, to: Socket, stops: (bytes: Buffer) => boolean): void {
    let last: Promise<unknown> = Promise.resolve();
    from.on("data", (bytes: Buffer) => {
      const arrived = performance.now();
      last = last.then(() => (stops(bytes) ? undefined : this.#deliver(bytes, arrived, to)));
    });
    from.on("end", () => void last.then(() => to.end()));
  }

  async #deliver(bytes: Buffer, arrived: number, to: Socket): Promise<void> {
    const { latencyMs = 0, bytesPerSecond } = this.#fault;
    await this.#pause(arrived + latencyMs - performance.now());
    while (this.#fault.blackHole && !to.destroyed) await this.#pause(1_000);
    if (bytesPerSecond === undefined) return void to.write(bytes);
    const slice = Math.max(1, Math.floor(bytesPerSecond / SLICES_PER_SECOND));
    for (let at = 0; at < bytes.length && !to.destroyed; at += slice) {
      to.write(bytes.subarray(at, at + slice));
      await this.#pause(1_000 / SLICES_PER_SECOND);
    }
  }

  /** Ends early when the fault changes. */
  async #pause(ms: number): Promise<void> {
    if (ms > 0) await sleep(ms, undefined, { signal: this.#changed.signal }).catch(() => {});
  }
}

function losesReply({ client, server, drop }: Connection, bytes: Buffer): boolean {
  if (drop?.reply(bytes) !== true) return false;
  client.resetAndDestroy();
  server.destroy();
  drop.dropped();
  return true;
}

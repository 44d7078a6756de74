import { connect } from "node:net";

const PORTS: Readonly<Record<string, number>> = { "http:": 80, "https:": 443 };

/**
 * Whether a server replies at this address within a time: with anything, even by hanging up, as it
 * may expect TLS or gRPC. A process that is suspended accepts connections, and says nothing.
 */
export function responds(address: string, limitMs: number): Promise<boolean> {
  const { protocol, hostname, port, host } = new URL(address);
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = connect({
    host: hostname.replace(/^\[|\]$/g, ""),
    port: Number(port) || (PORTS[protocol] ?? 80),
  });
  let connected = false;
  socket.once("connect", () => {
    connected = true;
    socket.write(`HEAD / HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n\r\n`);
  });
  for (const reply of ["data", "end"]) socket.once(reply, () => resolve(true));
  socket.once("error", () => resolve(connected));
  const timer = setTimeout(resolve, limitMs, false);
  return promise.finally(() => {
    clearTimeout(timer);
    socket.destroy();
  });
}

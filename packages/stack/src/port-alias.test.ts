import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { buffer, text } from "node:stream/consumers";
import { freePort } from "@tercet/cli";
import { afterEach, beforeEach, expect, test } from "vitest";
import { startPortAlias } from "./port-alias.ts";

let opened: AsyncDisposableStack;
beforeEach(() => {
  opened = new AsyncDisposableStack();
});
afterEach(() => opened.disposeAsync());

/** An alias of a server that does this with each connection. */
async function aliasOf(serve: (socket: Socket) => void) {
  const server = createServer({ allowHalfOpen: true }, serve);
  const target = await freePort();
  await once(server.listen(target, "127.0.0.1"), "listening");
  opened.defer(() => void server.close());
  const port = await freePort();
  return { port, alias: opened.use(await startPortAlias(port, target)), server };
}

async function open(port: number): Promise<Socket> {
  const socket = connect({ port, host: "127.0.0.1" });
  opened.defer(() => void socket.destroy());
  await once(
    socket.on("error", () => {}),
    "connect",
  );
  return socket;
}

test("every byte arrives, both ways, also after one side has ended", async () => {
  const { port } = await aliasOf((socket) => void socket.pipe(socket));
  const socket = await open(port);
  const sent = Buffer.alloc(5_000_000, "abc");
  socket.end(sent);
  expect((await buffer(socket)).equals(sent)).toBe(true);
});

test("when the server closes, or is not there, the client's connection closes", async () => {
  const { port, server } = await aliasOf((socket) => socket.end("bye"));
  expect(await text(await open(port))).toBe("bye");
  await new Promise((closed) => server.close(closed));
  await once(await open(port), "close");
});

test("when the client closes, so does the connection to the server", async () => {
  const closed = Promise.withResolvers<void>();
  const { port } = await aliasOf((socket) => {
    socket.on("error", () => {}).once("end", () => closed.resolve());
    socket.resume().write("hello");
  });
  const socket = await open(port);
  await once(socket, "data");
  socket.destroy();
  await closed.promise;
});

test("draining, it accepts no connection and keeps those that are open", async () => {
  const { port, alias } = await aliasOf((socket) => void socket.pipe(socket));
  const socket = await open(port);
  socket.write("1");
  await once(socket, "data");
  alias.drain();
  await expect(open(port)).rejects.toThrow("ECONNREFUSED");
  socket.write("2");
  expect(String((await once(socket, "data"))[0])).toBe("2");
  await alias[Symbol.asyncDispose]();
  await once(socket, "close");
});

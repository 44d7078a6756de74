import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer as createHttp2Server, type ServerHttp2Stream } from "node:http2";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";

/** A server that responds with nonsense. */
export interface HostileServer extends AsyncDisposable {
  readonly url: string;
  /** The number of calls so far. */
  readonly calls: number;
}

type Answer = (stream: ServerHttp2Stream) => void;

/** A gRPC response of this body and then this status. */
const grpc =
  (status: number, body: Uint8Array = Buffer.alloc(0)): Answer =>
  (stream) => {
    stream.respond(
      { ":status": 200, "content-type": "application/grpc+proto" },
      { waitForTrailers: true },
    );
    stream.once("wantTrailers", () =>
      stream.sendTrailers({ "grpc-status": String(status), "grpc-message": "so it says" }),
    );
    stream.end(body);
  };

/** A gRPC message: the flag "not compressed", its length, its bytes. */
const message = (...bytes: readonly number[]): Uint8Array =>
  Buffer.from([0, 0, 0, 0, bytes.length, ...bytes]);

const html: Answer = (stream) => {
  stream.respond({ ":status": 200, "content-type": "text/html" });
  stream.end("<h1>It works!</h1>");
};

const answers = {
  "gRPC internal": grpc(13),
  "gRPC unknown": grpc(2),
  "a page of HTML": html,
  "a message that is no protobuf": grpc(0, message(0xff, 0xff, 0xff, 0xff)),
  "an empty message": grpc(0, message()),
  "no message": grpc(0),
} satisfies Record<string, Answer>;

export type Nonsense = keyof typeof answers | "bytes that are no HTTP/2";
export const nonsense = [...Object.keys(answers), "bytes that are no HTTP/2"] as Nonsense[];

export async function startHostileServer(kind: Nonsense): Promise<HostileServer> {
  let calls = 0;
  const sockets = new Set<Socket>();
  const server: Server =
    kind === "bytes that are no HTTP/2"
      ? createServer((socket) => void socket.end(randomBytes(512)))
      : http2(answers[kind]);
  server.on(kind === "bytes that are no HTTP/2" ? "connection" : "stream", () => {
    calls++;
  });
  server.on("connection", (socket: Socket) => {
    sockets.add(socket.on("error", () => {}));
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get calls() {
      return calls;
    },
    async [Symbol.asyncDispose]() {
      const closed = once(server, "close");
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

const http2 = (answer: Answer): Server =>
  createHttp2Server()
    .on("stream", (stream: ServerHttp2Stream) => answer(stream.on("error", () => {})))
    .on("sessionError", () => {}) as unknown as Server;

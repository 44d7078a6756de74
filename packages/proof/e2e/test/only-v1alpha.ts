import { once } from "node:events";
import { connect, createServer } from "node:http2";
import type { AddressInfo } from "node:net";

/**
 * Puts a server in front of a service that knows only v1alpha of reflection, as servers before its
 * version 1 did.
 */
export async function onlyV1Alpha(
  url: string,
): Promise<{ readonly url: string } & AsyncDisposable> {
  const service = connect(url);
  const server = createServer();
  server.on("stream", (stream, headers) => {
    stream.on("error", () => {});
    if (headers[":path"]?.startsWith("/grpc.reflection.v1.ServerReflection/")) {
      stream.respond(
        { ":status": 200, "content-type": "application/grpc", "grpc-status": "12" },
        { endStream: true },
      );
      return;
    }
    const call = service.request(headers);
    call.on("error", () => stream.close());
    stream.pipe(call);
    call.once("response", ({ ":status": status = 502, ...rest }) => {
      stream.respond({ ":status": status, ...rest }, { waitForTrailers: true });
      stream.once("wantTrailers", () => stream.sendTrailers(trailers));
      call.pipe(stream);
    });
    let trailers = {};
    call.once("trailers", (received) => {
      trailers = received;
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    [Symbol.asyncDispose]: async () => {
      service.destroy();
      server.close();
    },
  };
}

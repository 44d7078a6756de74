import {
  create,
  type DescMessage,
  type DescMethodUnary,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import { type Code, ConnectError } from "@connectrpc/connect";
import * as grpc from "@grpc/grpc-js";

export type GrpcClient = ReturnType<typeof grpcClient>;

/**
 * Returns a client for unary calls over a kept HTTP/2 connection of its own; by default all clients
 * of one address share one. grpc-js repeats a call only when the server cannot have seen it. Calls
 * reject with ConnectError.
 */
export function grpcClient(url: string, timeoutMs: number) {
  const client = new grpc.Client(new URL(url).host, grpc.credentials.createInsecure(), {
    "grpc.use_local_subchannel_pool": 1,
  });
  const call = <I extends DescMessage, O extends DescMessage>(
    { parent, name, input, output }: DescMethodUnary<I, O>,
    request: MessageInitShape<I>,
    token: string,
  ) =>
    new Promise<MessageShape<O>>((resolve, reject) => {
      const metadata = new grpc.Metadata();
      metadata.set("authorization", `Bearer ${token}`);
      client.makeUnaryRequest(
        `/${parent.typeName}/${name}`,
        (message: MessageShape<I>) => Buffer.from(toBinary(input, message)),
        (bytes) => fromBinary(output, bytes),
        create(input, request),
        metadata,
        { deadline: Date.now() + timeoutMs },
        (error, response) => {
          if (error === null && response !== undefined) resolve(response);
          else
            reject(
              new ConnectError(error?.details ?? "no response", error?.code as Code | undefined),
            );
        },
      );
    });
  return { call, [Symbol.dispose]: () => client.close() };
}

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

/**
 * Makes unary calls over one kept HTTP/2 connection. grpc-js repeats a call only when the server
 * cannot have seen it. Rejects with ConnectError.
 */
export interface GrpcClient extends Disposable {
  call<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageInitShape<I>,
    token: string,
  ): Promise<MessageShape<O>>;
}

/** Has a connection of its own; by default all grpc-js clients of one address share it. */
export function grpcClient(url: string, timeoutMs: number): GrpcClient {
  const client = new grpc.Client(new URL(url).host, grpc.credentials.createInsecure(), {
    "grpc.use_local_subchannel_pool": 1,
  });
  return {
    call: <I extends DescMessage, O extends DescMessage>(
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
          (error, response) =>
            error === null && response !== undefined
              ? resolve(response)
              : reject(
                  new ConnectError(
                    error?.details ?? "no response",
                    error?.code as Code | undefined,
                  ),
                ),
        );
      }),
    [Symbol.dispose]: () => client.close(),
  };
}

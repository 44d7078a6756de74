import {
  create,
  type DescMessage,
  type DescMethodUnary,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import * as grpc from "@grpc/grpc-js";

/**
 * Unary calls by grpc-js, over one HTTP/2 connection that it keeps. It makes a call again only when
 * the server cannot have seen it.
 */
export interface GrpcClient extends Disposable {
  call<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageInitShape<I>,
    token: string,
  ): Promise<MessageShape<O>>;
}

/** Each has a connection of its own; grpc-js would let all clients of one address share it. */
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
          (error, answer) =>
            error === null && answer !== undefined ? resolve(answer) : reject(error),
        );
      }),
    [Symbol.dispose]: () => client.close(),
  };
}

import { join } from "node:path";
import { Client, credentials, Metadata, type ServiceError } from "@grpc/grpc-js";
import {
  fromJSON,
  loadSync,
  type MethodDefinition,
  type ServiceDefinition,
} from "@grpc/proto-loader";
import { ROOT } from "@tercet/cli";
import { grpcCode } from "./grpc-code.ts";
import { type CallOptions, type Json, jsonShop, reasonIn, type Wire } from "./json-shop.ts";
import { CallFailure, REPLAYED, type ShopClient, type Targets } from "./shop.ts";

const PROTO = join(ROOT, "proto");
const FILES = [
  "identity/v1/identity.proto",
  "order/v1/catalog_service.proto",
  "order/v1/order_service.proto",
  "payment/v1/payment_service.proto",
];

type Method = MethodDefinition<Json, Json>;

/**
 * gRPC's own client for Node. It loads the contracts itself: no generated code, nothing of
 * Connect's.
 */
export function grpcJs(targets: Targets): ShopClient {
  const contracts = loadSync(FILES, { includeDirs: [PROTO], longs: String, enums: String });
  const channelTo = (url: string) => new Client(new URL(url).host, credentials.createInsecure());
  const channels = {
    identity: channelTo(targets.identity),
    order: channelTo(targets.order),
    payment: channelTo(targets.payment),
  };
  const find = (path: string): { channel: Client; method: Method } => {
    const [service = "", name = ""] = path.split("/");
    const method = (contracts[service] as ServiceDefinition | undefined)?.[name] as
      | Method
      | undefined;
    const channel = channels[service.split(".")[0] as keyof Targets];
    if (method === undefined) throw new Error(`the contracts have no ${path}`);
    return { channel, method };
  };
  const wire: Wire = {
    unary: (path, message, options) => unary(find(path), message, options),
    stream: (path, message, options) => stream(find(path), message, options),
  };
  return {
    shop: (token) => jsonShop(wire, token),
    [Symbol.dispose]: () => {
      for (const channel of Object.values(channels)) channel.close();
    },
  };
}

interface Target {
  readonly channel: Client;
  readonly method: Method;
}

function unary(
  { channel, method }: Target,
  message: Json,
  options: CallOptions,
): ReturnType<Wire["unary"]> {
  const { promise, resolve, reject } = Promise.withResolvers<Awaited<ReturnType<Wire["unary"]>>>();
  let replayed = false;
  const answered = (error: ServiceError | null, answer: Json | undefined) =>
    answer === undefined
      ? reject(toFailure(error as ServiceError))
      : resolve({ message: answer, replayed });
  const { path, requestSerialize, responseDeserialize } = method;
  channel
    .makeUnaryRequest(
      path,
      requestSerialize,
      responseDeserialize,
      message,
      metadataOf(options),
      callOptions(options),
      answered,
    )
    .on("metadata", (header: Metadata) => {
      replayed = header.get(REPLAYED)[0] === "true";
    });
  return promise;
}

async function* stream(
  { channel, method }: Target,
  message: Json,
  options: CallOptions,
): AsyncIterable<Json> {
  const { path, requestSerialize, responseDeserialize } = method;
  const call = channel.makeServerStreamRequest(
    path,
    requestSerialize,
    responseDeserialize,
    message,
    metadataOf(options),
    callOptions(options),
  );
  try {
    yield* call;
  } catch (error) {
    throw toFailure(error as ServiceError);
  }
}

function metadataOf({ token }: CallOptions): Metadata {
  const metadata = new Metadata();
  if (token !== undefined) metadata.set("authorization", `Bearer ${token}`);
  return metadata;
}

const callOptions = ({ timeoutMs }: CallOptions) =>
  timeoutMs === undefined ? {} : { deadline: Date.now() + timeoutMs };

function toFailure({ code, details, metadata }: ServiceError): CallFailure {
  const [binary] = metadata.get("grpc-status-details-bin");
  const infos = Buffer.isBuffer(binary) ? (decodeStatus(binary).details ?? []) : [];
  const info = infos.find(({ type_url }) => type_url === "type.googleapis.com/common.v1.ErrorInfo");
  return new CallFailure(grpcCode(code), info && reasonIn(info.value), details);
}

interface RpcStatus {
  readonly details?: readonly { readonly type_url: string; readonly value: Uint8Array }[];
}

/**
 * None of our files has `google.rpc.Status`. The loader makes codecs only for the messages of
 * methods, so this file has one.
 */
const { Decoder } = fromJSON(
  {
    nested: {
      Detail: { fields: { type_url: { type: "string", id: 1 }, value: { type: "bytes", id: 2 } } },
      Status: { fields: { details: { rule: "repeated", type: "Detail", id: 3 } } },
      Decoder: {
        methods: { decode: { requestType: "Status", responseType: "Status", comment: "" } },
      },
    },
  },
  { keepCase: true },
);
const decodeStatus = (Decoder as unknown as { decode: Method }).decode.requestDeserialize as (
  binary: Buffer,
) => RpcStatus;

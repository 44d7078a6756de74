import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { timestampNow } from "@bufbuild/protobuf/wkt";
import {
  GetPaymentRequestSchema,
  PaymentSchema,
  PaymentService,
  PaymentStatus,
} from "@tercet/gen/payment/v1/payment_service";

/** The measured call: a read with a response of about 200 bytes. */
export const METHOD = PaymentService.method.getPayment;
export const PATH = `/${PaymentService.typeName}/${METHOD.name}`;

const [paymentId, orderId, customerId] = Array.from({ length: 3 }, () => crypto.randomUUID());

export const REQUEST = create(GetPaymentRequestSchema, { paymentId: paymentId ?? "" });

export const RESPONSE = create(PaymentSchema, {
  id: paymentId ?? "",
  orderId: orderId ?? "",
  customerId: customerId ?? "",
  status: PaymentStatus.SUCCEEDED,
  amount: { currencyCode: "EUR", minorUnits: 3_998n },
  refunded: { currencyCode: "EUR", minorUnits: 0n },
  providerReference: "ch_0123456789abcdef",
  createTime: timestampNow(),
  updateTime: timestampNow(),
});

/** Signs and verifies the tokens of the benchmark. */
export const TOKEN_SECRET = "a secret of the benchmark, which protects nothing";
export const TOKEN_ISSUER = "http://issuer.test";

/** The method as grpc-js describes it, for its server and its client. */
export const GRPC_JS_METHOD = {
  path: PATH,
  requestStream: false,
  responseStream: false,
  requestSerialize: (message: typeof REQUEST) => Buffer.from(toBinary(METHOD.input, message)),
  requestDeserialize: (bytes: Buffer) => fromBinary(METHOD.input, bytes),
  responseSerialize: (message: typeof RESPONSE) => Buffer.from(toBinary(METHOD.output, message)),
  responseDeserialize: (bytes: Buffer) => fromBinary(METHOD.output, bytes),
} as const;

const PREFIX_BYTES = 5;

/** Returns gRPC's frame of one uncompressed message. */
export function frame(message: Uint8Array): Buffer {
  const framed = Buffer.alloc(PREFIX_BYTES + message.length);
  framed.writeUInt32BE(message.length, 1);
  framed.set(message, PREFIX_BYTES);
  return framed;
}

/** Returns the message of a body that is one frame. */
export const unframe = (body: Buffer): Buffer => body.subarray(PREFIX_BYTES);

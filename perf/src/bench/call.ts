import { create } from "@bufbuild/protobuf";
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

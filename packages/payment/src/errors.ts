import { Code } from "@connectrpc/connect";
import { type ErrorCodes, ReasonError } from "@tercet/service";

/** Reasons that a caller can act on; payment_service.proto lists those of each method. */
export type PaymentReason =
  | "PAYMENT_VOIDED"
  | "PAYMENT_IN_PROGRESS"
  | "PROVIDER_REFUSED"
  | "PROVIDER_UNAVAILABLE"
  | "REFUND_EXCEEDS_CAPTURE"
  | "CURRENCY_MISMATCH";

export class PaymentError extends ReasonError<PaymentReason> {}

export const paymentErrorCodes: ErrorCodes<PaymentReason> = {
  PAYMENT_VOIDED: Code.FailedPrecondition,
  PAYMENT_IN_PROGRESS: Code.Aborted,
  PROVIDER_REFUSED: Code.Aborted,
  PROVIDER_UNAVAILABLE: Code.Unavailable,
  REFUND_EXCEEDS_CAPTURE: Code.FailedPrecondition,
  CURRENCY_MISMATCH: Code.InvalidArgument,
};

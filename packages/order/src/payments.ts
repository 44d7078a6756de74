import { type Client, Code, ConnectError } from "@connectrpc/connect";
import {
  type Payment,
  type PaymentService,
  PaymentStatus,
} from "@tercet/gen/payment/v1/payment_service";
import {
  RefusedError,
  RetryableError,
  type StepCall,
  TerminalError,
  UnknownOutcomeError,
} from "@tercet/saga";
import { type Money, reasonOf } from "@tercet/service";

export type PaymentClient = Client<typeof PaymentService>;

export interface Charge {
  readonly paymentId: string;
  readonly orderId: string;
  readonly customerId: string;
  readonly amount: Money;
  readonly token: string;
}

/**
 * Charges the customer; a decline is final and moved no money. A refusal says so of this attempt
 * only.
 */
export async function charge(
  payments: PaymentClient,
  { token, ...rest }: Charge,
  { signal, repeated }: Pick<StepCall<unknown>, "signal" | "repeated">,
): Promise<void> {
  const payment = await settled(
    payments.processPayment({ ...rest, paymentMethod: { token } }, { signal }),
    (message, cause) =>
      repeated
        ? new RefusedError("PAYMENT_UNAVAILABLE", message, { cause })
        : new TerminalError("PAYMENT_DECLINED", message, { cause }),
  );
  switch (payment.status) {
    case PaymentStatus.SUCCEEDED:
      return;
    case PaymentStatus.DECLINED:
      // The provider was never reached in time, and Payment sees to it that it never will be.
      if (payment.declineReason === "ABANDONED")
        throw new TerminalError("PAYMENT_UNAVAILABLE", "the payment could not be made in time");
      throw new TerminalError(
        "PAYMENT_DECLINED",
        `the payment was declined: ${payment.declineReason ?? "no reason given"}`,
      );
    case PaymentStatus.VOIDED:
    case PaymentStatus.REFUNDED:
      throw new TerminalError(
        "PAYMENT_UNAVAILABLE",
        `the payment is ${PaymentStatus[payment.status]}`,
      );
    default:
      // Not settled, given back in part, or a word that this version does not know: there may be
      // money to give back, so it is not over.
      throw new UnknownOutcomeError(
        `the payment is not settled: it is ${PaymentStatus[payment.status] ?? payment.status}`,
      );
  }
}

export interface FullRefund {
  readonly paymentId: string;
  readonly refundId: string;
  readonly reason: string;
}

/**
 * Gives back all of it. Where there was no charge, or it was declined, there is nothing to give
 * back and nothing can come after.
 */
export async function refundAll(
  payments: PaymentClient,
  refund: FullRefund,
  signal: AbortSignal,
): Promise<void> {
  const payment = await settled(
    payments.refundPayment(refund, { signal }),
    (message, cause) => new TerminalError("REFUND_REFUSED", message, { cause }),
  );
  const over = [PaymentStatus.REFUNDED, PaymentStatus.VOIDED, PaymentStatus.DECLINED];
  if (!over.includes(payment.status))
    throw new UnknownOutcomeError(
      `the refund is not settled yet: the payment is ${PaymentStatus[payment.status]}`,
    );
}

/** Refused for what was asked: asking again would be refused again. */
const DEFINITE = new Set([
  Code.InvalidArgument,
  Code.FailedPrecondition,
  Code.AlreadyExists,
  Code.OutOfRange,
  Code.NotFound,
]);
/**
 * It did not happen, for reasons that can pass; a wrong token or role is one, since operators can
 * mend it.
 */
const NOT_DONE = new Set([
  Code.ResourceExhausted,
  Code.Unauthenticated,
  Code.PermissionDenied,
  Code.Unimplemented,
]);

/** Whatever is neither is unknown: an answer that did not come says nothing about what happened. */
async function settled(
  call: Promise<Payment>,
  refusal: (message: string, cause: unknown) => TerminalError,
): Promise<Payment> {
  try {
    return await call;
  } catch (cause) {
    const error = ConnectError.from(cause);
    const message = `${Code[error.code]}: ${error.rawMessage}`;
    if (DEFINITE.has(error.code)) throw refusal(message, cause);
    if (NOT_DONE.has(error.code) || reasonOf(error) === "PAYMENT_IN_PROGRESS")
      throw new RetryableError(message, { cause });
    throw new UnknownOutcomeError(message, { cause });
  }
}

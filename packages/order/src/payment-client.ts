import { type Client, Code, ConnectError } from "@connectrpc/connect";
import {
  type Payment,
  PaymentService,
  PaymentStatus,
} from "@tercet/gen/payment/v1/payment_service";
import {
  RefusedError,
  RetryableError,
  type StepCall,
  TerminalError,
  UnknownOutcomeError,
} from "@tercet/saga";
import {
  createServiceClient,
  isNotCalled,
  type Logger,
  type Money,
  onBehalfOf,
  reasonOf,
  serviceToken,
} from "@tercet/service";
import type { OrderConfig } from "./config.ts";

export type PaymentClient = Client<typeof PaymentService>;

/** One attempt per call: the saga alone retries, since it records unknown outcomes. */
export function paymentClient(config: OrderConfig, log?: Logger): PaymentClient {
  const { identityUrl, clientSecret } = config;
  const { fastPath } = config.service;
  const credentials = { clientId: "order", clientSecret, audience: "payment" };
  return createServiceClient(PaymentService, {
    baseUrl: config.paymentUrl,
    token: serviceToken({ identityUrl, ...credentials, fastPath, log }),
    timeoutMs: config.saga.stepTimeoutMs,
    maxAttempts: 1,
    fastPath,
    log,
  });
}

export interface Charge {
  readonly paymentId: string;
  readonly orderId: string;
  readonly customerId: string;
  readonly amount: Money;
  readonly token: string;
}

/**
 * Charges the customer. Throws TerminalError when no money moved and none will; RefusedError when
 * only this attempt is known to have moved none; RetryableError or UnknownOutcomeError otherwise.
 */
export async function charge(
  payments: PaymentClient,
  { token, ...rest }: Charge,
  { signal, repeated }: Pick<StepCall<unknown>, "signal" | "repeated">,
): Promise<void> {
  const payment = await settled(
    payments.processPayment(
      { ...rest, paymentMethod: { token } },
      { signal, contextValues: onBehalfOf(rest.customerId, token) },
    ),
    (message, cause) =>
      repeated
        ? new RefusedError("PAYMENT_UNAVAILABLE", message, { cause })
        : new TerminalError("PAYMENT_DECLINED", message, { cause }),
  );
  switch (payment.status) {
    case PaymentStatus.SUCCEEDED:
      return;
    case PaymentStatus.DECLINED:
      // The provider was not reached in time, and Payment will not charge this payment any more.
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
      // Not settled, refunded in part, or a status that this version does not know: there may be
      // money to refund.
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
 * Refunds all of the payment. If there was no charge, or it was declined, there is nothing to
 * refund, and no later charge can succeed.
 */
export async function refundAll(
  payments: PaymentClient,
  refund: FullRefund,
  { signal, fairnessKey }: Pick<StepCall<unknown>, "signal" | "fairnessKey">,
): Promise<void> {
  const contextValues = fairnessKey === "" ? onBehalfOf() : onBehalfOf(fairnessKey);
  const payment = await settled(
    payments.refundPayment(refund, { signal, contextValues }),
    (message, cause) => new TerminalError("REFUND_REFUSED", message, { cause }),
  );
  const over = [PaymentStatus.REFUNDED, PaymentStatus.VOIDED, PaymentStatus.DECLINED];
  if (!over.includes(payment.status))
    throw new UnknownOutcomeError(
      `the refund is not settled yet: the payment is ${PaymentStatus[payment.status]}`,
    );
}

/** The request itself was refused: a retry would be refused too. */
const DEFINITE = new Set([
  Code.InvalidArgument,
  Code.FailedPrecondition,
  Code.AlreadyExists,
  Code.OutOfRange,
  Code.NotFound,
]);
/**
 * Nothing happened, for a reason that can pass. A wrong token or role is one: operators can correct
 * it.
 */
const NOT_DONE = new Set([
  Code.ResourceExhausted,
  Code.Unauthenticated,
  Code.PermissionDenied,
  Code.Unimplemented,
]);
/** Reasons of Payment, and of every service, that say the same. */
const NOT_DONE_REASONS = new Set(["PAYMENT_IN_PROGRESS", "PROVIDER_REFUSED", "OVERLOADED"]);

/** Any other error leaves the outcome unknown: without a response the call may have happened. */
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
    const notDone =
      isNotCalled(error) || NOT_DONE.has(error.code) || NOT_DONE_REASONS.has(reasonOf(error) ?? "");
    if (notDone) throw new RetryableError(message, { cause });
    throw new UnknownOutcomeError(message, { cause });
  }
}

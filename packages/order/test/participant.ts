import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient, createRouterTransport } from "@connectrpc/connect";
import { ErrorInfoSchema } from "@tercet/gen/common/v1/error";
import { MoneySchema } from "@tercet/gen/common/v1/money";
import {
  type Payment,
  PaymentService,
  PaymentStatus,
} from "@tercet/gen/payment/v1/payment_service";

import type { Money } from "@tercet/service";

/** What the participant does with every call until `behave` is called again. */
export type Behaviour =
  | "works"
  | "declines"
  | "refuses"
  | "is down"
  | "cannot refund"
  | "refuses refunds";

/**
 * A payment service reduced to what Order sees of it: the status of each payment by its id. It can
 * be made to fail; packages/proof/e2e tests Order with the real one.
 */
export function createParticipant() {
  const payments = new Map<string, PaymentStatus>();
  const calls: string[] = [];
  /** Refunded payments, in the order of their last change; a page is one of them. */
  const feed: Pick<Payment, "id" | "orderId" | "refunded">[] = [];
  let behaviour: Behaviour = "works";
  const down = () => {
    if (behaviour === "is down") throw new ConnectError("down", Code.Unavailable);
  };
  const paymentOf = (id: string): Pick<Payment, "id" | "status"> => ({
    id,
    status: payments.get(id) ?? PaymentStatus.UNSPECIFIED,
  });
  const transport = createRouterTransport((router) =>
    router.service(PaymentService, {
      processPayment({ paymentId }) {
        calls.push(`charge ${paymentId}`);
        down();
        if (behaviour === "refuses") throw new ConnectError("refused", Code.FailedPrecondition);
        if (!payments.has(paymentId))
          payments.set(
            paymentId,
            behaviour === "declines" ? PaymentStatus.DECLINED : PaymentStatus.SUCCEEDED,
          );
        return paymentOf(paymentId);
      },
      refundPayment({ paymentId }) {
        calls.push(`refund ${paymentId}`);
        down();
        if (behaviour === "cannot refund")
          throw new ConnectError("refunds are down", Code.Unavailable);
        if (behaviour === "refuses refunds")
          throw new ConnectError("refused by the payment provider: no", Code.Aborted, undefined, [
            { desc: ErrorInfoSchema, value: { reason: "PROVIDER_REFUSED" } },
          ]);
        const settled = payments.get(paymentId);
        if (settled === undefined) payments.set(paymentId, PaymentStatus.VOIDED);
        if (settled === PaymentStatus.SUCCEEDED || settled === PaymentStatus.PARTIALLY_REFUNDED)
          payments.set(paymentId, PaymentStatus.REFUNDED);
        return paymentOf(paymentId);
      },
      listRefundedPayments({ pageToken }) {
        down();
        const from = Number(pageToken);
        const page = feed.slice(from, from + 1);
        return { payments: page, nextPageToken: String(from + page.length) };
      },
    }),
  );
  return {
    client: createClient(PaymentService, transport),
    statusOf: (paymentId: string) => payments.get(paymentId),
    /** "charge" and "refund", in the order of the calls. */
    callsFor: (paymentId: string) =>
      calls.filter((call) => call.endsWith(paymentId)).map((call) => call.split(" ")[0]),
    /** As an operator does at Payment. */
    refundInPart(id: string, orderId: string, refunded: Money) {
      payments.set(id, PaymentStatus.PARTIALLY_REFUNDED);
      feed.push({ id, orderId, refunded: create(MoneySchema, refunded) });
    },
    behave(next: Behaviour) {
      behaviour = next;
    },
  };
}

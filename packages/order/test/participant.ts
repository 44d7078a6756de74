import { Code, ConnectError, createClient, createRouterTransport } from "@connectrpc/connect";
import {
  type Payment,
  PaymentService,
  PaymentStatus,
} from "@tercet/gen/payment/v1/payment_service";

/** What the participant does with the next calls, until told otherwise. */
export type Behaviour = "works" | "declines" | "refuses" | "is down" | "cannot refund";

/**
 * A payment service reduced to what Order can see of one: it keeps each payment's status by its id.
 * The real one is Order's partner in packages/proof/e2e; here the point is to make it fail at will.
 */
export function createParticipant() {
  const payments = new Map<string, PaymentStatus>();
  const calls: string[] = [];
  let behaviour: Behaviour = "works";
  const down = () => {
    if (behaviour === "is down") throw new ConnectError("down", Code.Unavailable);
  };
  const answer = (id: string): Pick<Payment, "id" | "status"> => ({
    id,
    status: payments.get(id) ?? PaymentStatus.UNSPECIFIED,
  });
  const transport = createRouterTransport((router) =>
    router.service(PaymentService, {
      processPayment({ paymentId }) {
        calls.push(`charge ${paymentId}`);
        down();
        if (behaviour === "refuses")
          throw new ConnectError("this payment cannot be", Code.FailedPrecondition);
        if (!payments.has(paymentId))
          payments.set(
            paymentId,
            behaviour === "declines" ? PaymentStatus.DECLINED : PaymentStatus.SUCCEEDED,
          );
        return answer(paymentId);
      },
      refundPayment({ paymentId }) {
        calls.push(`refund ${paymentId}`);
        down();
        if (behaviour === "cannot refund") throw new ConnectError("not today", Code.Unavailable);
        const settled = payments.get(paymentId);
        if (settled === undefined) payments.set(paymentId, PaymentStatus.VOIDED);
        if (settled === PaymentStatus.SUCCEEDED) payments.set(paymentId, PaymentStatus.REFUNDED);
        return answer(paymentId);
      },
    }),
  );
  return {
    client: createClient(PaymentService, transport),
    statusOf: (paymentId: string) => payments.get(paymentId),
    /** "charge" and "refund", as they were asked for. */
    callsFor: (paymentId: string) =>
      calls.filter((call) => call.endsWith(paymentId)).map((call) => call.split(" ")[0]),
    behave(next: Behaviour) {
      behaviour = next;
    },
  };
}

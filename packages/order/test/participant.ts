import { Code, ConnectError, createClient, createRouterTransport } from "@connectrpc/connect";
import { ErrorInfoSchema } from "@tercet/gen/common/v1/error";
import {
  type Payment,
  PaymentService,
  PaymentStatus,
} from "@tercet/gen/payment/v1/payment_service";

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
        if (settled === PaymentStatus.SUCCEEDED) payments.set(paymentId, PaymentStatus.REFUNDED);
        return paymentOf(paymentId);
      },
    }),
  );
  return {
    client: createClient(PaymentService, transport),
    statusOf: (paymentId: string) => payments.get(paymentId),
    /** "charge" and "refund", in the order of the calls. */
    callsFor: (paymentId: string) =>
      calls.filter((call) => call.endsWith(paymentId)).map((call) => call.split(" ")[0]),
    behave(next: Behaviour) {
      behaviour = next;
    },
  };
}

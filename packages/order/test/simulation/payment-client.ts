import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { ErrorInfoSchema } from "@tercet/gen/common/v1/error";
import { type Payment, PaymentSchema, PaymentStatus } from "@tercet/gen/payment/v1/payment_service";
import type { PaymentClient } from "../../src/payment-client.ts";
import type { Defect } from "./defects.ts";
import type { Network } from "./network.ts";
import type { Answer, PaymentModel } from "./payment.ts";
import type { Process } from "./process.ts";

export const DECLINED_TOKEN = "tok_declined";

export interface PaymentClientDeps {
  readonly process: Process;
  readonly network: Network;
  readonly payment: PaymentModel;
  readonly defect: Defect | undefined;
  /** Payments that are known to have succeeded, for the defect that undoes only those. */
  readonly registered: Set<string>;
}

/** The client that Order's sagas call Payment with, over the simulated network. */
export function paymentClient(deps: PaymentClientDeps): PaymentClient {
  const { process, network, payment, defect, registered } = deps;
  let calls = 0;
  const unlessDefect = (key: string, without: Defect) =>
    defect === without ? `${key}, call ${++calls} of ${process.name}` : key;
  const client: Pick<PaymentClient, "processPayment" | "refundPayment"> = {
    async processPayment(request, options) {
      const { paymentId: id = "", orderId = "", amount, paymentMethod } = request;
      const charge = {
        paymentId: unlessDefect(id, "charge without key"),
        orderId,
        amount: amount?.minorUnits ?? 0n,
        declined: paymentMethod?.token === DECLINED_TOKEN,
      };
      const answer = await network.call(
        process,
        (reply) => payment.charge(charge, reply),
        options?.signal,
      );
      if (answer === "SUCCEEDED") registered.add(id);
      return toMessage(answer);
    },

    async refundPayment({ paymentId = "", refundId = "" }, options) {
      if (defect === "undo registered after the step" && !registered.has(paymentId))
        return toMessage("VOIDED");
      const refund = { paymentId, refundId: unlessDefect(refundId, "refund without key") };
      return toMessage(
        await network.call(process, (reply) => payment.refund(refund, reply), options?.signal),
      );
    },
  };
  return client as PaymentClient;
}

/** What Payment returns, as its real routes put it. Throws ConnectError. */
function toMessage(answer: Answer): Payment {
  if (answer === "UNAVAILABLE") throw new ConnectError("unavailable", Code.Unavailable);
  if (answer === "IN_PROGRESS")
    throw new ConnectError("in progress", Code.Aborted, undefined, [
      { desc: ErrorInfoSchema, value: { reason: "PAYMENT_IN_PROGRESS" } },
    ]);
  const abandoned = answer === "ABANDONED";
  return create(PaymentSchema, {
    status: PaymentStatus[abandoned ? "DECLINED" : answer],
    declineReason: abandoned ? "ABANDONED" : "card_declined",
  });
}

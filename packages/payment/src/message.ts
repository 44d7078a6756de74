import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import {
  type PaymentSchema,
  PaymentStatus,
  RefundStatus,
} from "@tercet/gen/payment/v1/payment_service";
import { type Payment, refundedMinorUnits } from "./payment.ts";

/** Returns the message of a payment. A tombstone has no order, no customer and no amount. */
export function toMessage(payment: Payment): MessageInitShape<typeof PaymentSchema> {
  const { charge, declineReason, providerReference } = payment;
  return {
    id: payment.id,
    status: PaymentStatus[payment.status],
    ...(charge && {
      orderId: charge.orderId,
      customerId: charge.customerId,
      amount: charge.amount,
      refunded: { ...charge.amount, minorUnits: refundedMinorUnits(payment) },
    }),
    refunds: payment.refunds.map((refund) => ({
      id: refund.id,
      amount: refund.amount,
      status: RefundStatus[refund.status],
      reason: refund.reason,
      createTime: timestampFromDate(refund.createTime),
    })),
    ...(declineReason !== undefined && { declineReason }),
    ...(providerReference !== undefined && { providerReference }),
    events: payment.events.map(({ time, type, detail }) => ({
      time: timestampFromDate(time),
      type,
      detail,
    })),
    createTime: timestampFromDate(payment.createTime),
    updateTime: timestampFromDate(payment.updateTime),
  };
}

import type { ConnectRouter, HandlerContext } from "@connectrpc/connect";
import {
  type GetPaymentRequest,
  type ListPaymentsRequest,
  PaymentService,
  type ProcessPaymentRequest,
  ProcessPaymentRequestSchema,
  type RefundPaymentRequest,
  RefundPaymentRequestSchema,
  PaymentStatus as WireStatus,
} from "@tercet/gen/payment/v1/payment_service";
import {
  decodePageToken,
  fingerprint,
  invalidField,
  type Money,
  markReplayed,
  noteLogContext,
  notFound,
  pageSize,
  toPage,
  visibleOwner,
} from "@tercet/service";
import { toMessage } from "./message.ts";
import type { Payment, PaymentStatus, RefundRequest } from "./payment.ts";
import type { PaymentDeps } from "./payment-deps.ts";
import type { PageKey } from "./store.ts";
import { type ChargeRequest, type Outcome, processPayment, refundPayment } from "./use-cases.ts";

/** The handlers of payment.v1.PaymentService. */
export function paymentRoutes(deps: PaymentDeps) {
  return (router: ConnectRouter): void => {
    router.service(PaymentService, {
      processPayment: async (request, context) =>
        reply(await processPayment(deps, toChargeRequest(request)), context),
      refundPayment: async (request, context) =>
        reply(await refundPayment(deps, request.paymentId, toRefundRequest(request)), context),
      getPayment: async (request, context) =>
        toMessage(await getPayment(deps, request, visibleOwner(context))),
      listPayments: (request) => listPayments(deps, request),
    });
  };
}

async function getPayment(
  { store }: PaymentDeps,
  request: GetPaymentRequest,
  owner: string | undefined,
): Promise<Payment> {
  const payment = await store.get(request.paymentId);
  if (payment === undefined || (owner !== undefined && payment.charge?.customerId !== owner))
    throw notFound("payment");
  noteLogContext({ orderId: payment.charge?.orderId });
  return payment;
}

async function listPayments({ store }: PaymentDeps, request: ListPaymentsRequest) {
  const size = pageSize(request.pageSize);
  const filter = {
    // An empty filter matches everything.
    orderId: request.orderId || undefined,
    customerId: request.customerId || undefined,
    status: statusOf(request.status),
  };
  const found = await store.list(filter, toPageKey(request.pageToken), size + 1);
  const { rows, nextPageToken } = toPage(
    found,
    size,
    ({ createTime, id }) => `${createTime.toISOString()}/${id}`,
  );
  return { payments: rows.map(toMessage), nextPageToken };
}

function reply({ payment, replayed }: Outcome, context: HandlerContext) {
  if (replayed) markReplayed(context);
  return toMessage(payment);
}

function toChargeRequest(request: ProcessPaymentRequest): ChargeRequest {
  const { paymentId, orderId, customerId, paymentMethod } = request;
  const charge = {
    orderId,
    customerId,
    amount: toMoney(request.amount),
    fingerprint: fingerprint(ProcessPaymentRequestSchema, request),
  };
  return { paymentId, charge, token: paymentMethod?.token ?? "" };
}

function toRefundRequest(request: RefundPaymentRequest): RefundRequest {
  return {
    id: request.refundId,
    amount: request.amount && toMoney(request.amount),
    reason: request.reason,
    fingerprint: fingerprint(RefundPaymentRequestSchema, request),
  };
}

/** The schema requires an amount. It allows 0, because prices use the same message. */
function toMoney(amount: Money | undefined): Money {
  if (amount === undefined || amount.minorUnits <= 0n)
    throw invalidField("amount.minor_units", "must be more than 0");
  return { currencyCode: amount.currencyCode, minorUnits: amount.minorUnits };
}

const statusOf = (status: WireStatus): PaymentStatus | undefined =>
  status === WireStatus.UNSPECIFIED ? undefined : (WireStatus[status] as PaymentStatus);

const PAGE_KEY =
  /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

function toPageKey(token: string): PageKey | undefined {
  const [time, id] = decodePageToken(token, PAGE_KEY)?.split("/") ?? [];
  if (time === undefined || id === undefined) return undefined;
  const createTime = new Date(time);
  if (Number.isNaN(createTime.getTime()))
    throw invalidField("page_token", "was not returned by this method");
  return { createTime, id };
}

import type { ConnectRouter, HandlerContext } from "@connectrpc/connect";
import {
  type GetPaymentRequest,
  type ListPaymentsRequest,
  type ListRefundedPaymentsRequest,
  PaymentService,
  type ProcessPaymentRequest,
  ProcessPaymentRequestSchema,
  type RefundPaymentRequest,
  RefundPaymentRequestSchema,
  PaymentStatus as WireStatus,
} from "@tercet/gen/payment/v1/payment_service";
import {
  decodePageToken,
  encodePageToken,
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
      listRefundedPayments: (request) => listRefundedPayments(deps, request),
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
  const key = toTimeKey(request.pageToken);
  const after = key && { createTime: key.time, id: key.id };
  const found = await store.list(filter, after, size + 1);
  const { rows, nextPageToken } = toPage(found, size, ({ createTime, id }) =>
    timeKey(createTime, id),
  );
  return { payments: rows.map(toMessage), nextPageToken };
}

async function listRefundedPayments(
  { store, refundFeedDelayMs }: PaymentDeps,
  request: ListRefundedPaymentsRequest,
) {
  const key = toTimeKey(request.pageToken);
  const after = key && { updateTime: key.time, id: key.id };
  const rows = await store.listRefunded(after, refundFeedDelayMs, pageSize(request.pageSize));
  const last = rows.at(-1);
  return {
    payments: rows.map(toMessage),
    nextPageToken: last ? encodePageToken(timeKey(last.updateTime, last.id)) : request.pageToken,
  };
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

const timeKey = (time: Date, id: string): string => `${time.toISOString()}/${id}`;

const TIME_KEY =
  /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Parses the token of a page that begins after a time and an id. */
function toTimeKey(token: string): { readonly time: Date; readonly id: string } | undefined {
  const [text, id] = decodePageToken(token, TIME_KEY)?.split("/") ?? [];
  if (text === undefined || id === undefined) return undefined;
  const time = new Date(text);
  if (Number.isNaN(time.getTime()))
    throw invalidField("page_token", "was not returned by this method");
  return { time, id };
}

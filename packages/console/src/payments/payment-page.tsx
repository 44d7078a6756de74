import { useMutation, useQuery } from "@connectrpc/connect-query";
import { Link, useParams } from "@tanstack/react-router";
import {
  type Payment,
  PaymentService,
  PaymentStatus,
  RefundStatus,
} from "@tercet/gen/payment/v1/payment_service";
import { Undo2 } from "lucide-react";
import { PaymentBadge } from "../ui/badge.tsx";
import { Confirm } from "../ui/confirm.tsx";
import { formatExact, formatMoney, msOf, shortId } from "../ui/format.ts";
import { Facts, Page, Panel } from "../ui/page.tsx";
import { Empty, ErrorPanel, Skeleton } from "../ui/states.tsx";
import { notifyDone } from "../ui/toasts.tsx";
import { Ago, Id, Money } from "../ui/values.tsx";

const REFRESH_MS = 3_000;

export function PaymentPage() {
  const { paymentId } = useParams({ from: "/payments/$paymentId" });
  const payment = useQuery(
    PaymentService.method.getPayment,
    { paymentId },
    { refetchInterval: REFRESH_MS },
  );
  if (payment.data !== undefined)
    return <PaymentView payment={payment.data} onChanged={() => void payment.refetch()} />;
  return (
    <Page title="Payment">
      {payment.isError ? (
        <ErrorPanel error={payment.error} onRetry={() => void payment.refetch()} />
      ) : (
        <Skeleton lines={8} label="Loading the payment" />
      )}
    </Page>
  );
}

const REFUNDABLE: ReadonlySet<PaymentStatus> = new Set([
  PaymentStatus.SUCCEEDED,
  PaymentStatus.PARTIALLY_REFUNDED,
]);

function PaymentView({
  payment,
  onChanged,
}: {
  readonly payment: Payment;
  readonly onChanged: () => void;
}) {
  const { id, orderId, customerId, status, amount, refunded, declineReason } = payment;
  const { providerReference, createTime, updateTime, refunds, events } = payment;
  return (
    <Page
      title={`Payment ${shortId(id)}`}
      heading={
        <span className="order-heading">
          <Money value={amount} /> <PaymentBadge status={status} large />
        </span>
      }
      lead={
        <>
          <span>
            Payment <Id value={id} label="payment id" />
          </span>
          <span>
            of order{" "}
            <Link to="/orders/$orderId" params={{ orderId }} className="mono">
              {shortId(orderId)}
            </Link>
          </span>
        </>
      }
      actions={REFUNDABLE.has(status) && <Refund payment={payment} onRefunded={onChanged} />}
    >
      <div className="columns">
        <Panel title="Facts">
          <Facts
            items={[
              ["Refunded", <Money key="refunded" value={refunded} />],
              ["Provider's reference", <code key="ref">{providerReference ?? "none"}</code>],
              ...(declineReason
                ? [["Declined", <code key="why">{declineReason}</code>] as const]
                : []),
              [
                "Customer",
                <Link key="customer" to="/orders" search={{ customer: customerId }}>
                  {shortId(customerId)}
                </Link>,
              ],
              ["Began", <Ago key="began" time={createTime} />],
              ["Changed", <Ago key="changed" time={updateTime} />],
            ]}
          />
        </Panel>
        <Panel title="Refunds" flush={refunds.length > 0}>
          {refunds.length === 0 ? (
            <Empty icon={Undo2} title="Nothing was refunded" />
          ) : (
            <table className="table">
              <tbody>
                {refunds.map((refund) => (
                  <tr key={refund.id}>
                    <td>
                      <Money value={refund.amount} />
                      <small className="beneath">{refund.reason}</small>
                    </td>
                    <td>{RefundStatus[refund.status]?.toLowerCase()}</td>
                    <td className="right muted">
                      <Ago time={refund.createTime} />
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          )}
        </Panel>
      </div>
      <Panel title="Audit trail" flush>
        <ol className="trail">
          {events.map(({ time, type, detail }, index) => (
            <li key={index}>
              <time className="tabular muted">{formatExact(msOf(time) ?? 0)}</time>
              <strong>{type.toLowerCase().replaceAll("_", " ")}</strong>
              <span className="message">{detail}</span>
            </li>
          ))}
        </ol>
      </Panel>
    </Page>
  );
}

function Refund({
  payment,
  onRefunded,
}: {
  readonly payment: Payment;
  readonly onRefunded: () => void;
}) {
  const refund = useMutation(PaymentService.method.refundPayment);
  const { id, amount, refunded } = payment;
  const left = (amount?.minorUnits ?? 0n) - (refunded?.minorUnits ?? 0n);
  const rest = amount && { ...amount, minorUnits: left };
  return (
    <Confirm
      trigger="Refund the rest"
      look="danger"
      title={`Refund ${formatMoney(rest)}?`}
      effect="The customer gets all that is left of this payment. The order stays as it is; it shows the refund within half a minute."
      action={`Refund ${formatMoney(rest)}`}
      onConfirm={async (form) => {
        await refund.mutateAsync({
          paymentId: id,
          refundId: crypto.randomUUID(),
          reason: String(form.get("reason")),
        });
        notifyDone(`${formatMoney(rest)} refunded`);
        onRefunded();
      }}
    />
  );
}

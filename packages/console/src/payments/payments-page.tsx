import { useInfiniteQuery } from "@connectrpc/connect-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import {
  type Payment,
  PaymentService,
  PaymentStatus,
} from "@tercet/gen/payment/v1/payment_service";
import { CreditCard } from "lucide-react";
import { PAYMENT_LOOKS, PaymentBadge } from "../ui/badge.tsx";
import { shortId } from "../ui/format.ts";
import { Chips, Finder, More } from "../ui/list.tsx";
import { Page, Panel } from "../ui/page.tsx";
import { Empty, ErrorPanel, Skeleton } from "../ui/states.tsx";
import { Ago, Money } from "../ui/values.tsx";

const PAGE_SIZE = 25;
const REFRESH_MS = 5_000;
const ALL = "all";

const STATUSES = [
  [ALL, "All"],
  ...Object.entries(PAYMENT_LOOKS).map(
    ([status, look]) => [PaymentStatus[Number(status)] ?? "", look.word] as const,
  ),
] as const;

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

export function PaymentsPage() {
  const { status = ALL } = useSearch({ from: "/payments" });
  const navigate = useNavigate();
  const payments = useInfiniteQuery(
    PaymentService.method.listPayments,
    {
      pageSize: PAGE_SIZE,
      pageToken: "",
      status: PaymentStatus[status as keyof typeof PaymentStatus] ?? PaymentStatus.UNSPECIFIED,
    },
    {
      pageParamKey: "pageToken",
      getNextPageParam: ({ nextPageToken }) => nextPageToken || undefined,
      refetchInterval: REFRESH_MS,
    },
  );
  const rows = payments.data?.pages.flatMap((page) => page.payments) ?? [];
  const choose = (next: string) =>
    void navigate({ to: "/payments", search: next === ALL ? {} : { status: next } });
  const find = (id: string) => {
    if (UUID.test(id)) void navigate({ to: "/payments/$paymentId", params: { paymentId: id } });
  };
  return (
    <Page
      title="Payments"
      lead="One per order, charged at most once."
      actions={<Finder label="Find a payment by its id" onFind={find} />}
    >
      <div className="filters">
        <Chips label="Status" value={status} choices={STATUSES} onChoose={choose} />
      </div>
      <Panel flush>
        {payments.isPending && <Skeleton lines={8} label="Loading payments" />}
        {payments.isError && rows.length === 0 && (
          <ErrorPanel error={payments.error} onRetry={() => void payments.refetch()} />
        )}
        {payments.isSuccess && rows.length === 0 && (
          <Empty icon={CreditCard} title="No payment is in this state">
            Each order makes one when it is charged.
          </Empty>
        )}
        {rows.length > 0 && <PaymentTable payments={rows} />}
      </Panel>
      <More
        visible={payments.hasNextPage}
        busy={payments.isFetchingNextPage}
        onMore={() => void payments.fetchNextPage()}
      />
    </Page>
  );
}

const PaymentTable = ({ payments }: { readonly payments: readonly Payment[] }) => (
  <table className="table table-links">
    <thead>
      <tr>
        <th scope="col">Payment</th>
        <th scope="col">Status</th>
        <th scope="col" className="wide-only">
          Order
        </th>
        <th scope="col" className="right">
          Amount
        </th>
        <th scope="col" className="right">
          Refunded
        </th>
        <th scope="col" className="wide-only right">
          Changed
        </th>
      </tr>
    </thead>
    <tbody>
      {payments.map(({ id, status, orderId, amount, refunded, declineReason, updateTime }) => (
        <tr key={id}>
          <td>
            <Link to="/payments/$paymentId" params={{ paymentId: id }} className="row-link mono">
              {shortId(id)}
            </Link>
          </td>
          <td>
            <PaymentBadge status={status} />
            {declineReason !== undefined && (
              <small className="beneath">{declineReason.toLowerCase().replaceAll("_", " ")}</small>
            )}
          </td>
          <td className="wide-only">
            <Link to="/orders/$orderId" params={{ orderId }} className="over mono">
              {shortId(orderId)}
            </Link>
          </td>
          <td className="right">
            <Money value={amount} />
          </td>
          <td className="right">
            {refunded !== undefined && refunded.minorUnits > 0n ? (
              <Money value={refunded} />
            ) : (
              <span className="muted">none</span>
            )}
          </td>
          <td className="wide-only right muted">
            <Ago time={updateTime} />
          </td>
        </tr>
      ))}
    </tbody>
  </table>
);

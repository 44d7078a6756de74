import { useInfiniteQuery } from "@connectrpc/connect-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { Role } from "@tercet/gen/common/v1/access";
import { type Order, OrderService, OrderStatus } from "@tercet/gen/order/v1/order_service";
import { Package } from "lucide-react";
import { hasRole } from "../session/session.ts";
import { useAccount } from "../session/use-session.ts";
import { ORDER_LOOKS, OrderBadge } from "../ui/badge.tsx";
import { LinkButton } from "../ui/button.tsx";
import { plural, shortId } from "../ui/format.ts";
import { Chips, Finder, More } from "../ui/list.tsx";
import { Page, Panel } from "../ui/page.tsx";
import { Empty, ErrorPanel, Skeleton } from "../ui/states.tsx";
import { Ago, Money } from "../ui/values.tsx";

const PAGE_SIZE = 25;
const REFRESH_MS = 5_000;
const ALL = "all";

const STATUSES = [
  [ALL, "All"],
  ...Object.entries(ORDER_LOOKS).map(
    ([status, look]) => [OrderStatus[Number(status)] ?? "", look.word] as const,
  ),
] as const;

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** My orders; for operators those of everybody. */
export function OrdersPage() {
  const { status = ALL, customer = "" } = useSearch({ from: "/orders" });
  const navigate = useNavigate();
  const operator = hasRole(useAccount(), Role.OPERATOR);
  const orders = useInfiniteQuery(
    OrderService.method.listOrders,
    {
      pageSize: PAGE_SIZE,
      pageToken: "",
      status: OrderStatus[status as keyof typeof OrderStatus] ?? OrderStatus.UNSPECIFIED,
      customerId: customer,
    },
    {
      pageParamKey: "pageToken",
      getNextPageParam: ({ nextPageToken }) => nextPageToken || undefined,
      refetchInterval: REFRESH_MS,
    },
  );
  const rows = orders.data?.pages.flatMap((page) => page.orders) ?? [];
  const choose = (next: string) =>
    void navigate({
      to: "/orders",
      search: { ...(next !== ALL && { status: next }), ...(customer && { customer }) },
    });
  const find = (id: string) => {
    if (UUID.test(id)) void navigate({ to: "/orders/$orderId", params: { orderId: id } });
  };
  return (
    <Page
      title={operator ? "Orders" : "My orders"}
      lead={operator ? "Of every customer, newest first." : "Newest first."}
      actions={operator && <Finder label="Find an order by its id" onFind={find} />}
    >
      <div className="filters">
        <Chips label="Status" value={status} choices={STATUSES} onChoose={choose} />
        {customer !== "" && (
          <Link to="/orders" search={status === ALL ? {} : { status }} className="chip chip-set">
            customer {shortId(customer)} ✕
          </Link>
        )}
      </div>
      <Panel flush>
        {orders.isPending && <Skeleton lines={8} label="Loading orders" />}
        {orders.isError && rows.length === 0 && (
          <ErrorPanel error={orders.error} onRetry={() => void orders.refetch()} />
        )}
        {orders.isSuccess && rows.length === 0 && <NoOrders status={status} operator={operator} />}
        {rows.length > 0 && <OrderTable orders={rows} operator={operator} />}
      </Panel>
      <More
        visible={orders.hasNextPage}
        busy={orders.isFetchingNextPage}
        onMore={() => void orders.fetchNextPage()}
      />
    </Page>
  );
}

function NoOrders({ status, operator }: { readonly status: string; readonly operator: boolean }) {
  if (status === "NEEDS_ATTENTION")
    return (
      <Empty icon={Package} title="Nothing needs attention">
        Every order can go on by itself.
      </Empty>
    );
  return (
    <Empty
      icon={Package}
      title={status === ALL ? "No orders yet" : "No order is in this state"}
      action={
        !operator && (
          <LinkButton to="/" look="primary">
            Go to the shop
          </LinkButton>
        )
      }
    >
      {operator ? "They appear here as soon as a customer places one." : "Place one and watch it."}
    </Empty>
  );
}

const OrderTable = ({
  orders,
  operator,
}: {
  readonly orders: readonly Order[];
  readonly operator: boolean;
}) => (
  <table className="table table-links">
    <thead>
      <tr>
        <th scope="col">Order</th>
        <th scope="col">Status</th>
        <th scope="col" className="wide-only">
          Items
        </th>
        {operator && (
          <th scope="col" className="wide-only">
            Customer
          </th>
        )}
        <th scope="col" className="right">
          Total
        </th>
        <th scope="col" className="right">
          Placed
        </th>
      </tr>
    </thead>
    <tbody>
      {orders.map(({ id, status, items, total, createTime, customerId }) => (
        <tr key={id}>
          <td>
            <Link to="/orders/$orderId" params={{ orderId: id }} className="row-link mono">
              {shortId(id)}
            </Link>
          </td>
          <td>
            <OrderBadge status={status} />
          </td>
          <td className="wide-only ellipsis muted">{itemsText(items)}</td>
          {operator && (
            <td className="wide-only">
              <Link to="/orders" search={{ customer: customerId }} className="over mono">
                {shortId(customerId)}
              </Link>
            </td>
          )}
          <td className="right">
            <Money value={total} />
          </td>
          <td className="right muted">
            <Ago time={createTime} />
          </td>
        </tr>
      ))}
    </tbody>
  </table>
);

const itemsText = (items: Order["items"]): string => {
  const [first, ...rest] = items;
  if (first === undefined) return "";
  const pieces = first.quantity > 1 ? `${first.quantity} × ` : "";
  const more = rest.length === 0 ? "" : ` and ${plural(rest.length, "more", "more")}`;
  return `${pieces}${first.name}${more}`;
};

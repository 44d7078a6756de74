import { useMutation } from "@connectrpc/connect-query";
import { Link, useParams } from "@tanstack/react-router";
import { Role } from "@tercet/gen/common/v1/access";
import { type Order, OrderService, OrderStatus } from "@tercet/gen/order/v1/order_service";
import { ExternalLink } from "lucide-react";
import { useId } from "react";
import { hasRole, mayOperate } from "../session/session.ts";
import { settings } from "../session/settings.ts";
import { useAccount } from "../session/use-session.ts";
import { OrderBadge } from "../ui/badge.tsx";
import { Confirm } from "../ui/confirm.tsx";
import { formatMoney, msOf, shortId } from "../ui/format.ts";
import { Facts, Page, Panel } from "../ui/page.tsx";
import { ErrorPanel, Skeleton } from "../ui/states.tsx";
import { Ago, Id, Money } from "../ui/values.tsx";
import { ganttOf } from "./gantt.ts";
import { GanttChart } from "./gantt-chart.tsx";
import { storyOf } from "./story.ts";
import { TimelineTable } from "./timeline-table.tsx";
import { isSettled, useWatchedOrder } from "./use-watched-order.ts";

export function OrderPage() {
  const { orderId } = useParams({ from: "/orders/$orderId" });
  const { order, error, skewMs, refresh } = useWatchedOrder(orderId);
  if (order === undefined)
    return (
      <Page title="Order">
        {error === undefined ? (
          <Skeleton lines={8} label="Loading the order" />
        ) : (
          <ErrorPanel error={error} title="There is no such order" onRetry={refresh} />
        )}
      </Page>
    );
  return <OrderView order={order} skewMs={skewMs} onChanged={refresh} />;
}

function OrderView({
  order,
  skewMs,
  onChanged,
}: {
  readonly order: Order;
  readonly skewMs: number;
  readonly onChanged: () => void;
}) {
  const createMs = msOf(order.createTime) ?? 0;
  const open = !isSettled(order.status);
  const still = ganttOf({ createMs, events: order.timeline, open: false, nowMs: createMs });
  const story = storyOf(order, still.takeOvers);
  return (
    <Page
      title={`Order ${shortId(order.id)}`}
      heading={
        <span className="order-heading">
          <Money value={order.total} /> <OrderBadge status={order.status} large />
        </span>
      }
      lead={<Lead order={order} />}
      actions={<Actions order={order} onChanged={onChanged} />}
    >
      <Panel className="timeline-panel">
        <p className="story" aria-live="polite">
          {story}
        </p>
        <GanttChart createMs={createMs} events={order.timeline} open={open} skewMs={skewMs} />
        <Legend />
      </Panel>
      <div className="columns">
        <Items order={order} />
        <Details order={order} />
      </div>
      <Panel title="Every attempt" flush>
        <TimelineTable createMs={createMs} events={order.timeline} />
      </Panel>
    </Page>
  );
}

const Lead = ({ order }: { readonly order: Order }) => (
  <>
    <span>
      Order <Id value={order.id} label="order id" />
    </span>
    <span>
      placed <Ago time={order.createTime} />
    </span>
  </>
);

const Legend = () => (
  <ul className="legend" aria-hidden>
    <li data-kind="done">succeeded</li>
    <li data-kind="unknown">unknown</li>
    <li data-kind="retry">repeated</li>
    <li data-kind="refused">refused</li>
    <li data-kind="lost">cut off</li>
    <li data-kind="back">gives back</li>
  </ul>
);

const Items = ({ order }: { readonly order: Order }) => (
  <Panel title="Items" flush>
    <table className="table">
      <thead className="visually-hidden">
        <tr>
          <th scope="col">Product</th>
          <th scope="col">Pieces</th>
          <th scope="col">Total</th>
        </tr>
      </thead>
      <tbody>
        {order.items.map(({ sku, name, quantity, unitPrice, total }) => (
          <tr key={sku}>
            <td>{name}</td>
            <td className="muted nowrap">
              {quantity} × <Money value={unitPrice} />
            </td>
            <td className="right">
              <Money value={total} />
            </td>
          </tr>
        ))}
      </tbody>
      <tfoot>
        <tr>
          <th scope="row" colSpan={2}>
            Total
          </th>
          <td className="right">
            <Money value={order.total} />
          </td>
        </tr>
        {order.refunded !== undefined && order.refunded.minorUnits > 0n && (
          <tr className="refunded">
            <th scope="row" colSpan={2}>
              Refunded
            </th>
            <td className="right">−{formatMoney(order.refunded)}</td>
          </tr>
        )}
      </tfoot>
    </table>
  </Panel>
);

function Details({ order }: { readonly order: Order }) {
  const operator = mayOperate(useAccount());
  const { paymentId, customerId, failure, updateTime, sagaIds } = order;
  const payment = operator ? (
    <Link to="/payments/$paymentId" params={{ paymentId }}>
      {shortId(paymentId)}
    </Link>
  ) : (
    <Id value={paymentId} label="payment id" />
  );
  const customer = operator ? (
    <Link to="/orders" search={{ customer: customerId }}>
      {shortId(customerId)}
    </Link>
  ) : undefined;
  const sagas = sagaIds.map((sagaId) => (
    <Link key={sagaId} to="/sagas/$sagaId" params={{ sagaId }} className="listed">
      {shortId(sagaId)}
    </Link>
  ));
  return (
    <Panel title="Details">
      <Facts
        items={[
          ["Changed", <Ago key="changed" time={updateTime} />],
          ["Payment", payment],
          ...(failure ? [["Reason", failureText(failure)] as const] : []),
          ...(customer ? [["Customer", customer] as const] : []),
          ...(operator ? [["Sagas", sagas] as const] : []),
        ]}
      />
    </Panel>
  );
}

const failureText = ({ reason, message }: NonNullable<Order["failure"]>) => (
  <>
    {message || reason} <code>{reason}</code>
  </>
);

const CANCELLABLE: ReadonlySet<OrderStatus> = new Set([OrderStatus.PENDING, OrderStatus.CONFIRMED]);

function Actions({ order, onChanged }: { readonly order: Order; readonly onChanged: () => void }) {
  const operator = hasRole(useAccount(), Role.OPERATOR);
  const cancel = useMutation(OrderService.method.cancelOrder);
  const note = useId();
  const links = [
    ["Trace", settings.traceUrl],
    ["Logs", settings.logsUrl],
  ] as const;
  return (
    <>
      {operator &&
        links.map(([name, url]) =>
          url === undefined ? null : (
            <a
              key={name}
              className="button button-plain"
              href={url.replaceAll("{orderId}", encodeURIComponent(order.id))}
              target="_blank"
              rel="noreferrer"
            >
              {name} <ExternalLink aria-hidden size={14} />
            </a>
          ),
        )}
      {CANCELLABLE.has(order.status) && (
        <Confirm
          key={note}
          trigger="Cancel order"
          title="Cancel this order?"
          effect={
            order.status === OrderStatus.CONFIRMED
              ? `${formatMoney(order.total)} will be refunded to the card, and the pieces go back on the shelf.`
              : "What has been done of it so far will be undone. A charge will be refunded."
          }
          action="Cancel the order"
          look="danger"
          reason="optional"
          onConfirm={async (form) => {
            await cancel.mutateAsync({
              orderId: order.id,
              requestId: crypto.randomUUID(),
              reason: String(form.get("reason") ?? ""),
            });
            onChanged();
          }}
        />
      )}
    </>
  );
}

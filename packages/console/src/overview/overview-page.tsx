import { createClient } from "@connectrpc/connect";
import { useQuery as useMethod, useTransport } from "@connectrpc/connect-query";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { type Order, OrderService } from "@tercet/gen/order/v1/order_service";
import { type Saga, SagaService, SagaState } from "@tercet/gen/order/v1/saga_service";
import { CircleCheck } from "lucide-react";
import type { ReactNode } from "react";
import { readLab } from "../lab/use-lab.ts";
import { LATE_REASONS } from "../sagas/late-reason.ts";
import { settings } from "../session/settings.ts";
import { Badge, SagaBadge } from "../ui/badge.tsx";
import { formatSpan, msOf, shortId } from "../ui/format.ts";
import { useNow } from "../ui/now.ts";
import { Page, Panel } from "../ui/page.tsx";
import { Empty, ErrorPanel, Skeleton } from "../ui/states.tsx";
import { SlotChart } from "./slot-chart.tsx";
import { statisticsOf } from "./statistics.ts";

const SHOWN_MS = 15 * 60_000;
const SLOT_MS = 30_000;
const PAGE_SIZE = 100;
/** The newest orders are enough for a shape; the metrics know all. */
const AT_MOST = 1_000;
const REFRESH_MS = 5_000;

export function OverviewPage() {
  const transport = useTransport();
  const orders = useQuery({
    queryKey: ["overview"],
    queryFn: ({ signal }) => recentOrders(createClient(OrderService, transport), signal),
    refetchInterval: REFRESH_MS,
  });
  return (
    <Page title="Overview" lead="The last 15 minutes, as they happen.">
      {orders.isPending && <Skeleton lines={10} label="Loading the overview" />}
      {orders.isError && orders.data === undefined && (
        <ErrorPanel error={orders.error} onRetry={() => void orders.refetch()} />
      )}
      {orders.data && <Figures orders={orders.data} />}
      <div className="columns">
        <Attention />
        <Workers />
      </div>
    </Page>
  );
}

/** Reads pages until they are older than what is shown, and at most a thousand orders. */
async function recentOrders(
  orders: ReturnType<typeof createClient<typeof OrderService>>,
  signal: AbortSignal,
): Promise<Order[]> {
  const oldestMs = Date.now() - SHOWN_MS;
  const found: Order[] = [];
  let pageToken = "";
  do {
    const page = await orders.listOrders({ pageSize: PAGE_SIZE, pageToken }, { signal });
    found.push(...page.orders);
    pageToken = page.nextPageToken;
    if ((msOf(page.orders.at(-1)?.createTime) ?? 0) < oldestMs) break;
  } while (pageToken !== "" && found.length < AT_MOST);
  return found;
}

function Figures({ orders }: { readonly orders: readonly Order[] }) {
  const now = Math.ceil(useNow() / SLOT_MS) * SLOT_MS;
  const { slots, perMinute, confirmedShare, p95Ms } = statisticsOf(
    orders,
    now - SHOWN_MS,
    now,
    SLOT_MS,
  );
  const times = slots.map(({ fromMs }) => fromMs);
  return (
    <>
      <ul className="counters">
        <Figure to="/orders" name="orders per minute" value={perMinute.toFixed(1)} />
        <Figure
          to="/orders"
          name="confirmed"
          value={confirmedShare === undefined ? "none yet" : percentText(confirmedShare)}
        />
        <Figure
          to="/orders"
          name="p95 from placed to ended"
          value={p95Ms === undefined ? "none yet" : formatSpan(p95Ms)}
        />
        <OpenSagas />
      </ul>
      <div className="columns">
        <Panel title="Orders by outcome" aside="each column is 30 s">
          <SlotChart
            title="Orders by outcome"
            stacked
            times={times}
            format={(value) => String(Math.round(value * 10) / 10)}
            series={[
              { name: "confirmed", tone: "green", values: slots.map((s) => s.counts.confirmed) },
              { name: "rejected", tone: "grey", values: slots.map((s) => s.counts.rejected) },
              { name: "cancelled", tone: "amber", values: slots.map((s) => s.counts.cancelled) },
              { name: "open", tone: "blue", values: slots.map((s) => s.counts.open) },
            ]}
          />
        </Panel>
        <Panel title="Time to end" aside="of the orders placed then">
          <SlotChart
            title="Time to end"
            times={times}
            format={formatSpan}
            series={[
              { name: "p50", tone: "accent", values: slots.map((s) => s.p50Ms) },
              { name: "p95", tone: "amber", values: slots.map((s) => s.p95Ms) },
            ]}
          />
        </Panel>
      </div>
    </>
  );
}

const percentText = (share: number): string =>
  new Intl.NumberFormat("en", { style: "percent", maximumFractionDigits: 1 }).format(share);

const Figure = ({
  to,
  name,
  value,
}: {
  readonly to: "/orders" | "/sagas";
  readonly name: string;
  readonly value: ReactNode;
}) => (
  <li className="counter">
    <Link to={to} search={to === "/sagas" ? { state: "RUNNING" } : {}}>
      <strong className="tabular">{value}</strong>
      <span>{name}</span>
    </Link>
  </li>
);

const { listSagas } = SagaService.method;
const REFRESH = { refetchInterval: REFRESH_MS };

function OpenSagas() {
  const running = useMethod(listSagas, { state: SagaState.RUNNING, pageSize: 100 }, REFRESH);
  const undoing = useMethod(listSagas, { state: SagaState.COMPENSATING, pageSize: 100 }, REFRESH);
  const pages = [running.data, undoing.data];
  const count = pages.reduce((sum, page) => sum + (page?.sagas.length ?? 0), 0);
  const more = pages.some((page) => page !== undefined && page.nextPageToken !== "");
  return <Figure to="/sagas" name="open sagas" value={`${count}${more ? "+" : ""}`} />;
}

function Attention() {
  const late = useMethod(listSagas, { late: true, pageSize: 10 }, REFRESH);
  const sagas = late.data?.sagas ?? [];
  return (
    <Panel title="Sagas that need attention" flush={sagas.length > 0}>
      {late.isSuccess && sagas.length === 0 && (
        <Empty icon={CircleCheck} title="Nothing needs attention">
          Every saga is closed, or goes on by itself.
        </Empty>
      )}
      {sagas.length > 0 && (
        <table className="table table-links">
          <tbody>
            {sagas.map((saga) => (
              <LateSaga key={saga.id} saga={saga} />
            ))}
          </tbody>
        </table>
      )}
    </Panel>
  );
}

const LateSaga = ({ saga: { id, kind, state, lateReason } }: { readonly saga: Saga }) => (
  <tr>
    <td>
      <Link to="/sagas/$sagaId" params={{ sagaId: id }} className="row-link mono">
        {shortId(id)}
      </Link>
      <small className="beneath">{kind}</small>
    </td>
    <td>
      <SagaBadge state={state} />
      <small className="beneath late">{LATE_REASONS[lateReason]}</small>
    </td>
  </tr>
);

/** As long as a lease: another worker may take over what this one held. */
const GONE_MS = 2_000;

interface Worker {
  readonly name: string;
  readonly agoMs: number;
}

/** The workers that live: in the embedded stack. Elsewhere the dashboards show them. */
function Workers() {
  const workers = useQuery({
    queryKey: ["workers"],
    queryFn: ({ signal }) => readLab<Worker[]>("workers", signal),
    enabled: settings.lab,
    refetchInterval: REFRESH_MS / 2,
  });
  if (!settings.lab) return null;
  return (
    <Panel title="Workers" flush>
      <table className="table">
        <thead>
          <tr>
            <th scope="col">Worker</th>
            <th scope="col" className="right">
              Last sign
            </th>
          </tr>
        </thead>
        <tbody>
          {workers.data?.map(({ name, agoMs }) => (
            <tr key={name}>
              <td className="mono">{name}</td>
              <td className="right tabular">
                {agoMs > GONE_MS && <Badge tone="grey">gone</Badge>} {formatSpan(agoMs)} ago
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </Panel>
  );
}

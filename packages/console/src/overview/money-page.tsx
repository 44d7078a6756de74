import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { OrderStatus } from "@tercet/gen/order/v1/order_service";
import { CircleCheck, CircleX, Scale } from "lucide-react";
import type { MoneyReport } from "../lab/lab-report.ts";
import { readLab } from "../lab/use-lab.ts";
import { settings } from "../session/settings.ts";
import { OrderBadge } from "../ui/badge.tsx";
import { formatMoney } from "../ui/format.ts";
import { Page, Panel } from "../ui/page.tsx";
import { Empty, ErrorPanel, Skeleton } from "../ui/states.tsx";
import { Ago } from "../ui/values.tsx";

const REFRESH_MS = 5_000;
const LEAD = "What the provider holds against what the orders cost, of every order that has ended.";

/** The money audit of the embedded stack: the module of `pnpm audit:money`. */
export function MoneyPage() {
  const money = useQuery({
    queryKey: ["money"],
    queryFn: ({ signal }) => readLab<MoneyReport>("money", signal),
    enabled: settings.lab,
    refetchInterval: REFRESH_MS,
  });
  return (
    <Page title="Money" lead={LEAD}>
      {!settings.lab && (
        <Empty icon={Scale} title="The audit is not here">
          It reads the databases and the provider's statements. Run pnpm audit:money where they can
          be reached.
        </Empty>
      )}
      {settings.lab && money.isPending && <Skeleton lines={6} label="Auditing" />}
      {money.isError && money.data === undefined && (
        <ErrorPanel
          error={money.error}
          title="The audit could not be made"
          onRetry={() => void money.refetch()}
        />
      )}
      {money.data && <Audit report={money.data} />}
    </Page>
  );
}

function Audit({ report }: { readonly report: MoneyReport }) {
  const { broken, overdue, parked, currencies, readMs } = report;
  const problems = [...broken, ...overdue];
  return (
    <>
      <Verdict holds={problems.length === 0} readMs={readMs} />
      <Panel flush>
        <table className="table money">
          <thead>
            <tr>
              <th scope="col">Currency</th>
              <th scope="col" className="right">
                Captured
              </th>
              <th scope="col" className="right">
                Refunded
              </th>
              <th scope="col" className="right">
                Confirmed orders
              </th>
              <th scope="col" className="right">
                Difference
              </th>
            </tr>
          </thead>
          <tbody>
            {currencies.map(({ currencyCode, captured, refunded, confirmed, difference }) => {
              const show = (text: string) =>
                formatMoney({ currencyCode, minorUnits: BigInt(text) });
              return (
                <tr key={currencyCode} className="money-row">
                  <th scope="row">{currencyCode}</th>
                  <td className="right tabular" data-name="Captured">
                    <Link to="/payments" search={{ status: "SUCCEEDED" }}>
                      {show(captured)}
                    </Link>
                  </td>
                  <td className="right tabular" data-name="Refunded">
                    <Link to="/payments" search={{ status: "REFUNDED" }}>
                      {show(refunded)}
                    </Link>
                  </td>
                  <td className="right tabular" data-name="Confirmed orders">
                    <Link to="/orders" search={{ status: "CONFIRMED" }}>
                      {show(confirmed)}
                    </Link>
                  </td>
                  <td
                    className="right tabular difference"
                    data-name="Difference"
                    data-tone={difference === "0" ? "green" : "red"}
                  >
                    {show(difference)}
                  </td>
                </tr>
              );
            })}
          </tbody>
        </table>
        {currencies.length === 0 && (
          <Empty icon={Scale} title="No money has moved yet">
            The first order that is charged appears here.
          </Empty>
        )}
      </Panel>
      <Statuses counts={report.orders} />
      <Checked broken={problems} />
      <Sentences title="Violated" tone="red" lines={problems} />
      <Sentences title="Waits for an operator" tone="amber" lines={parked} />
    </>
  );
}

const Verdict = ({ holds, readMs }: { readonly holds: boolean; readonly readMs: number }) => (
  <p className="verdict" data-tone={holds ? "green" : "red"} role="status">
    {holds ? <CircleCheck aria-hidden size={22} /> : <CircleX aria-hidden size={22} />}
    <strong>{holds ? "Every invariant holds" : "An invariant is violated"}</strong>
    <span>
      audited <Ago time={readMs} />
    </span>
  </p>
);

const Statuses = ({ counts }: { readonly counts: MoneyReport["orders"] }) => (
  <Panel title="Orders by status">
    <ul className="status-counts">
      {Object.entries(counts)
        .sort(([, a], [, b]) => b - a)
        .map(([status, count]) => (
          <li key={status}>
            <Link to="/orders" search={{ status }}>
              <OrderBadge status={OrderStatus[status as keyof typeof OrderStatus]} />
              {new Intl.NumberFormat("en").format(count)}
            </Link>
          </li>
        ))}
    </ul>
  </Panel>
);

/** What the audit checks: as `pnpm audit:money --help` says it. */
const INVARIANTS: readonly (readonly [string, string])[] = [
  ["I1", "In each currency, the provider keeps what the confirmed orders cost, less refunds."],
  ["I2", "No order was charged twice, or refunded more than it was charged."],
  ["I3", "No order has been open for longer than allowed, and none lacks a refund."],
  ["I4", "Each order has one request of its customer, and each request has its order."],
  ["I5", "Each charge belongs to an order or was refunded, and a confirmed order has exactly one."],
  ["I6", "Each saga's history is a legal path."],
  ["I8", "Orders, sagas and payments agree."],
];

const Checked = ({ broken }: { readonly broken: readonly string[] }) => (
  <Panel title="What was checked">
    <ul className="checked">
      {INVARIANTS.map(([name, text]) => {
        const holds = !broken.some((line) => line.startsWith(name));
        return (
          <li key={name} data-tone={holds ? "green" : "red"}>
            {holds ? (
              <CircleCheck aria-label="holds" size={16} />
            ) : (
              <CircleX aria-label="is violated" size={16} />
            )}
            <span className="muted tabular">{name}</span>
            {text}
          </li>
        );
      })}
    </ul>
  </Panel>
);

const UUID = /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/;

/** Each sentence opens the order that it names. */
const Sentences = ({
  title,
  tone,
  lines,
}: {
  readonly title: string;
  readonly tone: string;
  readonly lines: readonly string[];
}) =>
  lines.length > 0 && (
    <Panel title={title}>
      <ul className="sentences" data-tone={tone}>
        {lines.map((line) => {
          const orderId = UUID.exec(line)?.[0];
          return (
            <li key={line}>
              {orderId !== undefined && /order /.test(line) ? (
                <Link to="/orders/$orderId" params={{ orderId }}>
                  {line}
                </Link>
              ) : (
                line
              )}
            </li>
          );
        })}
      </ul>
    </Panel>
  );

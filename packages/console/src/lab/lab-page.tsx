import { Link } from "@tanstack/react-router";
import {
  CircleCheck,
  CircleX,
  Database,
  Hourglass,
  type LucideIcon,
  Skull,
  Snowflake,
} from "lucide-react";
import { useState } from "react";
import { settings } from "../session/settings.ts";
import { formatMoney } from "../ui/format.ts";
import { Page, Panel } from "../ui/page.tsx";
import { Empty, ErrorPanel, Skeleton } from "../ui/states.tsx";
import { Ago } from "../ui/values.tsx";
import { storyOfFault } from "./fault-story.ts";
import type { FaultName, FaultReport, LabReport, ProviderMood } from "./lab-report.ts";
import { Lanes } from "./lanes.tsx";
import { Stream } from "./stream.tsx";
import { askLab, useLab } from "./use-lab.ts";

export function LabPage() {
  if (!settings.lab)
    return (
      <Page title="Crash lab">
        <Empty icon={Skull} title="There is no crash lab here">
          It is only in the system that pnpm start runs on one machine.
        </Empty>
      </Page>
    );
  return <Lab />;
}

function Lab() {
  const report = useLab();
  return (
    <Page
      title="Crash lab"
      lead="This harms the system that serves this page. Watch the two numbers that must stay at zero."
    >
      {report === undefined ? <Skeleton lines={10} /> : <Bench report={report} />}
    </Page>
  );
}

function Bench({ report }: { readonly report: LabReport }) {
  const [error, setError] = useState<unknown>();
  const ask = (path: string, body: object) => {
    setError(undefined);
    askLab(path, body).catch(setError);
  };
  return (
    <>
      <Counters report={report} />
      {error !== undefined && <ErrorPanel error={error} title="The lab could not do that" />}
      <div className="lab">
        <div className="lab-controls">
          <Load report={report} ask={ask} />
          <FaultButtons report={report} ask={ask} />
          <Provider report={report} ask={ask} />
        </div>
        <div className="lab-view">
          <Panel title="Processes" aside="the last minute">
            <Lanes lanes={report.lanes} faults={report.faults} nowMs={report.nowMs} />
          </Panel>
          <Panel title="Orders on their way">
            <Stream orders={report.orders} />
          </Panel>
          <Faults faults={report.faults} />
        </div>
      </div>
    </>
  );
}

interface ControlProps {
  readonly report: LabReport;
  readonly ask: (path: string, body: object) => void;
}

function Counters({ report: { counts, money } }: { readonly report: LabReport }) {
  const broken = (money?.broken.length ?? 0) > 0;
  return (
    <ul className="counters">
      <Counter name="orders placed" value={String(counts.placed)} />
      <Counter name="ended" value={String(counts.ended)} />
      <Counter name="on their way" value={String(counts.open)} />
      <Counter name="lost" value={String(counts.lost)} tone={counts.lost === 0 ? "green" : "red"} />
      <Counter
        name="money difference"
        value={differenceText(money)}
        tone={money === undefined ? undefined : broken ? "red" : "green"}
      />
    </ul>
  );
}

const Counter = ({
  name,
  value,
  tone,
}: {
  readonly name: string;
  readonly value: string;
  readonly tone?: "green" | "red" | undefined;
}) => (
  <li className="counter" data-tone={tone}>
    <strong className="tabular">{value}</strong>
    <span>{name}</span>
  </li>
);

function differenceText(money: LabReport["money"]): string {
  if (money === undefined) return "…";
  const [first] = money.currencies.toSorted(
    (a, b) => Number(a.difference === "0") - Number(b.difference === "0"),
  );
  return first === undefined
    ? "0"
    : formatMoney({ currencyCode: first.currencyCode, minorUnits: BigInt(first.difference) });
}

const Load = ({ report: { ordering, lanes }, ask }: ControlProps) => {
  const hasReplica = lanes.some(({ id, pid }) => id === "order-b" && pid !== undefined);
  return (
    <Panel title="Set the stage">
      <Switch
        name="Keep ordering"
        text="A customer places about three orders a second: most succeed, some are slow or sold out."
        on={ordering}
        onChange={(on) => ask("ordering", { on })}
      />
      <Switch
        name="A second Order"
        text="With two replicas, one takes over as soon as the other's lease has run out."
        on={hasReplica}
        onChange={(on) => ask("replica", { on })}
      />
    </Panel>
  );
};

const Switch = ({
  name,
  text,
  on,
  onChange,
}: {
  readonly name: string;
  readonly text: string;
  readonly on: boolean;
  readonly onChange: (on: boolean) => void;
}) => (
  <button
    type="button"
    role="switch"
    aria-checked={on}
    className="switch"
    onClick={() => onChange(!on)}
  >
    <span className="switch-track" aria-hidden />
    <span>
      <strong>{name}</strong>
      <small>{text}</small>
    </span>
  </button>
);

interface FaultButton {
  readonly name: FaultName;
  readonly lane: string;
  readonly title: string;
  readonly text: string;
  readonly icon: LucideIcon;
}

const FAULTS: readonly FaultButton[] = [
  {
    name: "kill-order",
    lane: "order",
    title: "Kill Order A",
    text: "kill -9, no goodbye.",
    icon: Skull,
  },
  {
    name: "kill-order-b",
    lane: "order-b",
    title: "Kill Order B",
    text: "The second one, if it runs.",
    icon: Skull,
  },
  {
    name: "freeze-order",
    lane: "order",
    title: "Freeze Order A",
    text: "Stopped for 10 s. It wakes up late and does not know it.",
    icon: Snowflake,
  },
  {
    name: "kill-payment",
    lane: "payment",
    title: "Kill Payment",
    text: "In the middle of charges.",
    icon: Skull,
  },
  {
    name: "restart-postgres",
    lane: "postgres",
    title: "Pull PostgreSQL's plug",
    text: "All three databases are gone for a second.",
    icon: Database,
  },
];

const FaultButtons = ({ report: { lanes }, ask }: ControlProps) => (
  <Panel title="Break something">
    <div className="faults">
      {FAULTS.map(({ name, lane, title, text, icon: Icon }) => {
        const state = lanes.find(({ id }) => id === lane)?.bands.at(-1)?.state;
        return (
          <button
            key={name}
            type="button"
            className="fault"
            disabled={state !== "up"}
            onClick={() => ask("faults", { name })}
          >
            <Icon aria-hidden size={20} strokeWidth={1.6} />
            <span>
              <strong>{title}</strong>
              <small>{text}</small>
            </span>
          </button>
        );
      })}
    </div>
  </Panel>
);

const MOODS: readonly (readonly [ProviderMood, string, string])[] = [
  ["works", "Works", "Charges and refunds as it should."],
  ["loses-answers", "Loses answers", "It charges, and its answer never arrives."],
  ["declines", "Declines", "Every other card is refused."],
  [
    "refuses-refunds",
    "Refuses refunds",
    "What is sold out cannot be given back: after a minute, an operator must act.",
  ],
];

const Provider = ({ report: { provider }, ask }: ControlProps) => (
  <Panel title="The payment provider">
    <fieldset className="cards moods">
      <legend className="visually-hidden">What it does to the next orders</legend>
      {MOODS.map(([mood, name, text]) => (
        <label key={mood} className="card">
          <input
            type="radio"
            name="mood"
            checked={provider === mood}
            onChange={() => ask("provider", { mood })}
          />
          <span>
            <strong>{name}</strong>
            <small>{text}</small>
          </span>
        </label>
      ))}
    </fieldset>
  </Panel>
);

function Faults({ faults }: { readonly faults: readonly FaultReport[] }) {
  if (faults.length === 0)
    return (
      <Panel title="What happened">
        <Empty icon={Hourglass} title="Nothing yet">
          Switch on “Keep ordering”, wait for a few orders, then kill Order A. Each fault gets a
          card here that says what came of it.
        </Empty>
      </Panel>
    );
  return (
    <Panel title="What happened" aside={<Link to="/orders">the orders</Link>}>
      <ol className="fault-cards" aria-live="polite">
        {faults.map((fault) => (
          <FaultCard key={fault.id} fault={fault} />
        ))}
      </ol>
    </Panel>
  );
}

function FaultCard({ fault }: { readonly fault: FaultReport }) {
  const { title, text, verdict } = storyOfFault(fault);
  return (
    <li className="fault-card" data-holds={fault.holds}>
      {fault.holds === undefined ? (
        <span className="ring" aria-hidden />
      ) : fault.holds ? (
        <CircleCheck aria-hidden size={18} />
      ) : (
        <CircleX aria-hidden size={18} />
      )}
      <div>
        <p className="fault-title">
          <strong>{title}</strong> <Ago time={fault.atMs} />
        </p>
        <p>{text}</p>
        {verdict !== undefined && <p className="fault-verdict">{verdict}</p>}
      </div>
    </li>
  );
}

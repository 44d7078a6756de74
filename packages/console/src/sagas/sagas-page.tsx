import { useInfiniteQuery } from "@connectrpc/connect-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { type Saga, SagaService, SagaState } from "@tercet/gen/order/v1/saga_service";
import { CircleCheck } from "lucide-react";
import { SAGA_LOOKS, SagaBadge } from "../ui/badge.tsx";
import { formatSpan, shortId, spanOf } from "../ui/format.ts";
import { Chips, Finder, More } from "../ui/list.tsx";
import { Page, Panel } from "../ui/page.tsx";
import { Empty, ErrorPanel, Skeleton } from "../ui/states.tsx";
import { Ago } from "../ui/values.tsx";
import { LATE_REASONS } from "./late-reason.ts";

const PAGE_SIZE = 25;
const REFRESH_MS = 3_000;
const ALL = "all";
const LATE = "late";

const STATES = [
  [ALL, "All"],
  [LATE, "Late"],
  ...Object.entries(SAGA_LOOKS).map(
    ([state, look]) => [SagaState[Number(state)] ?? "", look.word] as const,
  ),
] as const;

const KINDS = [
  ["", "Every kind"],
  ["place-order", "place-order"],
  ["cancel-order", "cancel-order"],
] as const;

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

export function SagasPage() {
  const { state = ALL, kind = "" } = useSearch({ from: "/sagas" });
  const navigate = useNavigate();
  const sagas = useInfiniteQuery(
    SagaService.method.listSagas,
    {
      pageSize: PAGE_SIZE,
      pageToken: "",
      state: SagaState[state as keyof typeof SagaState] ?? SagaState.UNSPECIFIED,
      kind,
      late: state === LATE,
    },
    {
      pageParamKey: "pageToken",
      getNextPageParam: ({ nextPageToken }) => nextPageToken || undefined,
      refetchInterval: REFRESH_MS,
    },
  );
  const rows = sagas.data?.pages.flatMap((page) => page.sagas) ?? [];
  const choose = (next: { state?: string; kind?: string }) => {
    const wanted = { state, kind, ...next };
    void navigate({
      to: "/sagas",
      search: {
        ...(wanted.state !== ALL && { state: wanted.state }),
        ...(wanted.kind !== "" && { kind: wanted.kind }),
      },
    });
  };
  const find = (id: string) => {
    if (UUID.test(id)) void navigate({ to: "/sagas/$sagaId", params: { sagaId: id } });
  };
  return (
    <Page
      title="Sagas"
      lead="What executes orders: each continues by itself, or waits here for you."
      actions={<Finder label="Find a saga by its id" onFind={find} />}
    >
      <div className="filters">
        <Chips
          label="State"
          value={state}
          choices={STATES}
          onChoose={(next) => choose({ state: next })}
        />
        <Chips
          label="Kind"
          value={kind as (typeof KINDS)[number][0]}
          choices={KINDS}
          onChoose={(next) => choose({ kind: next })}
        />
      </div>
      <Panel flush>
        {sagas.isPending && <Skeleton lines={8} label="Loading sagas" />}
        {sagas.isError && rows.length === 0 && (
          <ErrorPanel error={sagas.error} onRetry={() => void sagas.refetch()} />
        )}
        {sagas.isSuccess && rows.length === 0 && <NoSagas state={state} />}
        {rows.length > 0 && <SagaTable sagas={rows} />}
      </Panel>
      <More
        visible={sagas.hasNextPage}
        busy={sagas.isFetchingNextPage}
        onMore={() => void sagas.fetchNextPage()}
      />
    </Page>
  );
}

const NoSagas = ({ state }: { readonly state: string }) =>
  state === "NEEDS_ATTENTION" || state === LATE ? (
    <Empty icon={CircleCheck} title="Nothing needs attention">
      Every saga is closed, or goes on by itself.
    </Empty>
  ) : (
    <Empty icon={CircleCheck} title="No saga is in this state">
      Each order begins one. Choose “All” to see the others.
    </Empty>
  );

const SagaTable = ({ sagas }: { readonly sagas: readonly Saga[] }) => (
  <table className="table table-links">
    <thead>
      <tr>
        <th scope="col">Saga</th>
        <th scope="col">State</th>
        <th scope="col" className="wide-only">
          Step
        </th>
        <th scope="col" className="wide-only">
          Order
        </th>
        <th scope="col" className="wide-only right">
          Failures
        </th>
        <th scope="col" className="wide-only">
          Next run
        </th>
        <th scope="col" className="wide-only">
          Owner
        </th>
        <th scope="col" className="right">
          Age
        </th>
      </tr>
    </thead>
    <tbody>
      {sagas.map((saga) => (
        <SagaRow key={saga.id} saga={saga} />
      ))}
    </tbody>
  </table>
);

function SagaRow({ saga }: { readonly saga: Saga }) {
  const { id, kind, state, step, orderId, attempt, nextRunTime, owner, age, lateReason } = saga;
  const open = state === SagaState.RUNNING || state === SagaState.COMPENSATING;
  return (
    <tr>
      <td>
        <Link to="/sagas/$sagaId" params={{ sagaId: id }} className="row-link mono">
          {shortId(id)}
        </Link>
        <small className="beneath">
          {kind}
          <span className="narrow-only">, {step}</span>
        </small>
      </td>
      <td>
        <SagaBadge state={state} />
        {LATE_REASONS[lateReason] !== undefined && (
          <small className="beneath late">{LATE_REASONS[lateReason]}</small>
        )}
      </td>
      <td className="wide-only">{step}</td>
      <td className="wide-only">
        <Link to="/orders/$orderId" params={{ orderId }} className="over mono">
          {shortId(orderId)}
        </Link>
      </td>
      <td className="wide-only right tabular">{attempt === 0 ? "" : attempt}</td>
      <td className="wide-only muted">{open && <Ago time={nextRunTime} />}</td>
      <td className="wide-only mono ellipsis">{open ? owner : ""}</td>
      <td className="right tabular nowrap">{formatSpan(spanOf(age))}</td>
    </tr>
  );
}

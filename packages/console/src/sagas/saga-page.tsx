import { createConnectQueryKey, useMutation, useQuery } from "@connectrpc/connect-query";
import { useQueryClient } from "@tanstack/react-query";
import { Link, useParams } from "@tanstack/react-router";
import {
  type Saga,
  SagaResolutionOutcome,
  SagaService,
  SagaState,
} from "@tercet/gen/order/v1/saga_service";
import { GanttChart } from "../orders/gantt-chart.tsx";
import { TimelineTable } from "../orders/timeline-table.tsx";
import { SagaBadge } from "../ui/badge.tsx";
import { Confirm } from "../ui/confirm.tsx";
import { formatSpan, msOf, shortId, spanOf } from "../ui/format.ts";
import { Facts, Page, Panel } from "../ui/page.tsx";
import { ErrorPanel, Skeleton } from "../ui/states.tsx";
import { notifyDone } from "../ui/toasts.tsx";
import { Ago, Id } from "../ui/values.tsx";
import { LATE_REASONS } from "./late-reason.ts";
import { SagaDiagram } from "./saga-diagram.tsx";

const OPEN_REFRESH_MS = 1_000;
const CLOSED_REFRESH_MS = 10_000;

const isOpen = ({ state }: Saga): boolean =>
  state === SagaState.RUNNING || state === SagaState.COMPENSATING;

export function SagaPage() {
  const { sagaId } = useParams({ from: "/sagas/$sagaId" });
  const saga = useQuery(
    SagaService.method.getSaga,
    { sagaId },
    {
      refetchInterval: ({ state: { data } }) =>
        data !== undefined && !isOpen(data) ? CLOSED_REFRESH_MS : OPEN_REFRESH_MS,
    },
  );
  if (saga.data !== undefined) return <SagaView saga={saga.data} />;
  return (
    <Page title="Saga">
      {saga.isError ? (
        <ErrorPanel
          error={saga.error}
          title="There is no such saga"
          onRetry={() => void saga.refetch()}
        />
      ) : (
        <Skeleton lines={8} label="Loading the saga" />
      )}
    </Page>
  );
}

function SagaView({ saga }: { readonly saga: Saga }) {
  const createMs = msOf(saga.createTime) ?? 0;
  return (
    <Page
      title={`Saga ${shortId(saga.id)}`}
      heading={
        <span className="order-heading">
          {saga.kind} <SagaBadge state={saga.state} large />
        </span>
      }
      lead={
        <>
          <span>
            Saga <Id value={saga.id} label="saga id" />
          </span>
          <span>
            of order{" "}
            <Link to="/orders/$orderId" params={{ orderId: saga.orderId }} className="mono">
              {shortId(saga.orderId)}
            </Link>
          </span>
        </>
      }
      actions={<Actions saga={saga} />}
    >
      {LATE_REASONS[saga.lateReason] !== undefined && saga.lastError !== "" && (
        <div className="problem">
          <div className="problem-text">
            <strong>Late: {LATE_REASONS[saga.lateReason]}</strong>
            <p>{saga.lastError}</p>
          </div>
        </div>
      )}
      <Panel title="Position">
        <SagaDiagram saga={saga} />
      </Panel>
      <Panel title="Timeline">
        <GanttChart
          kind={saga.kind}
          createMs={createMs}
          events={saga.events}
          open={isOpen(saga)}
          skewMs={0}
        />
      </Panel>
      <Panel title="Facts">
        <SagaFacts saga={saga} />
      </Panel>
      <Panel title="Every attempt" flush>
        <TimelineTable createMs={createMs} events={saga.events} />
      </Panel>
    </Page>
  );
}

function SagaFacts({ saga }: { readonly saga: Saga }) {
  const { kind, version, step, attempt, owner, fence, nextRunTime, age, lastError } = saga;
  const { createTime, updateTime, resolution } = saga;
  return (
    <Facts
      items={[
        ["Definition", `${kind}, version ${version}`],
        ["Step", step],
        ["Failures in a row", String(attempt)],
        ["Owner", owner === "" ? "no worker" : <code key="owner">{owner}</code>],
        ["Fence", String(fence)],
        ["Next run", nextRunTime ? <Ago key="next" time={nextRunTime} /> : "none"],
        ["Began", <Ago key="began" time={createTime} />],
        ["Changed", <Ago key="changed" time={updateTime} />],
        ["Age", formatSpan(spanOf(age))],
        ["Last error", lastError === "" ? "none" : lastError],
        ...(resolution
          ? [
              [
                "Resolved",
                `${resolution.reference}: ${resolution.reason} (by ${shortId(resolution.principal)})`,
              ] as const,
            ]
          : []),
      ]}
    />
  );
}

const { retrySaga, compensateSaga, resolveSaga } = SagaService.method;

function Actions({ saga }: { readonly saga: Saga }) {
  const queries = useQueryClient();
  const changed = (done: string) => {
    notifyDone(done);
    return queries.invalidateQueries({
      queryKey: createConnectQueryKey({ schema: SagaService, cardinality: undefined }),
    });
  };
  const retry = useMutation(retrySaga);
  const compensate = useMutation(compensateSaga);
  const resolve = useMutation(resolveSaga);
  const { id: sagaId, state, kind } = saga;
  const parked = state === SagaState.NEEDS_ATTENTION;
  const undone = state === SagaState.COMPENSATING || (isOpen(saga) && kind === "cancel-order");
  const request = () => ({ sagaId, requestId: crypto.randomUUID() });
  return (
    <>
      {(parked || isOpen(saga)) && (
        <Confirm
          trigger="Retry"
          look={parked ? "primary" : "plain"}
          title="Retry this saga now?"
          effect={
            parked
              ? `It gets a new time budget, and “${saga.step}” is attempted at once with the same key as before.`
              : `It does not wait for its next run: “${saga.step}” is attempted at once.`
          }
          action="Retry now"
          reason="none"
          onConfirm={async () => {
            await retry.mutateAsync(request());
            await changed("The saga is being retried");
          }}
        />
      )}
      {state === SagaState.RUNNING && kind === "place-order" && (
        <Confirm
          trigger="Compensate"
          look="danger"
          title="Undo this order?"
          effect="The saga stops going forward and undoes the steps it has done: a charge is refunded, and the order becomes CANCELLED."
          action="Undo the order"
          onConfirm={async (form) => {
            await compensate.mutateAsync({ ...request(), reason: String(form.get("reason")) });
            await changed("The saga is being undone");
          }}
        />
      )}
      {(parked || undone) && (
        <Confirm
          trigger="Resolve"
          look="danger"
          title="Close this saga by hand?"
          effect="The order becomes CANCELLED and its stock returns. No money is moved: what had still to be refunded is yours to settle. This is final."
          action="Close it"
          fields={<ResolutionFields />}
          onConfirm={async (form) => {
            await resolve.mutateAsync({
              ...request(),
              outcome: Number(form.get("outcome")) as SagaResolutionOutcome,
              reference: String(form.get("reference")),
              reason: String(form.get("reason")),
            });
            await changed("The saga is closed");
          }}
        />
      )}
    </>
  );
}

const ResolutionFields = () => (
  <>
    <label className="field">
      <span>Outcome</span>
      <select name="outcome" required>
        <option value={SagaResolutionOutcome.SETTLED_OUTSIDE}>
          Settled outside: the customer has their money
        </option>
        <option value={SagaResolutionOutcome.WRITTEN_OFF}>Written off: the loss is accepted</option>
      </select>
    </label>
    <label className="field">
      <span>Reference</span>
      <input name="reference" required maxLength={200} placeholder="A bank transfer, a ticket" />
    </label>
  </>
);

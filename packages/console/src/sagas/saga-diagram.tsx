import { SagaAction, type SagaEvent, SagaOutcome } from "@tercet/gen/order/v1/saga_event";
import { type Saga, SagaState } from "@tercet/gen/order/v1/saga_service";
import { ArrowRight, Check, CircleAlert, Undo2 } from "lucide-react";
import { pathOf, undoName } from "./saga-paths.ts";

type Position = "done" | "here" | "stuck" | "ahead";

/** The steps of a saga from left to right, what undoes them beneath, and where it is now. */
export function SagaDiagram({ saga }: { readonly saga: Saga }) {
  const steps = pathOf(saga.kind)?.steps ?? stepsSeen(saga.events);
  const hasBack = steps.some(({ hasUndo }) => hasUndo);
  return (
    <ol className="diagram" aria-label="Steps" data-back={hasBack || undefined}>
      {steps.map(({ name, hasUndo }, index) => (
        <li key={name}>
          {index > 0 && <ArrowRight aria-hidden size={16} className="diagram-arrow" />}
          <div className="diagram-column">
            <Box name={name} position={positionOf(saga, name, SagaAction.RUN)} />
            {hasUndo && (
              <Box back name={undoName(name)} position={positionOf(saga, name, SagaAction.UNDO)} />
            )}
          </div>
        </li>
      ))}
    </ol>
  );
}

const WORDS: Readonly<Record<Position, string>> = {
  done: "done",
  here: "in progress",
  stuck: "waits for an operator",
  ahead: "not reached",
};

const Box = ({
  name,
  position,
  back = false,
}: {
  readonly name: string;
  readonly position: Position;
  readonly back?: boolean;
}) => (
  <div className="diagram-box" data-position={position} data-back={back || undefined}>
    {position === "done" && <Check aria-hidden size={14} />}
    {position === "here" && <span className="ring" aria-hidden />}
    {position === "stuck" && <CircleAlert aria-hidden size={14} />}
    {position === "ahead" && back && <Undo2 aria-hidden size={14} />}
    {name}
    <span className="visually-hidden">, {WORDS[position]}</span>
  </div>
);

function positionOf(saga: Saga, step: string, action: SagaAction): Position {
  const succeeded = saga.events.some(
    (event) =>
      event.step === step && event.action === action && event.outcome === SagaOutcome.SUCCEEDED,
  );
  if (succeeded) return "done";
  if (saga.step !== step || action !== directionOf(saga)) return "ahead";
  if (saga.state === SagaState.NEEDS_ATTENTION) return "stuck";
  return saga.state === SagaState.RUNNING || saga.state === SagaState.COMPENSATING
    ? "here"
    : "ahead";
}

/** A parked saga goes on in the direction in which it went last. */
function directionOf({ state, events }: Saga): SagaAction {
  if (state === SagaState.RUNNING) return SagaAction.RUN;
  if (state === SagaState.COMPENSATING) return SagaAction.UNDO;
  return events.at(-1)?.action ?? SagaAction.RUN;
}

const stepsSeen = (events: readonly SagaEvent[]) =>
  [...new Set(events.map(({ step }) => step))].map((name) => ({ name, hasUndo: false }));

import { create } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import {
  ListSagasResponseSchema,
  type Saga,
  SagaLateReason,
  SagaResolutionOutcome,
  SagaSchema,
  SagaState,
} from "@tercet/gen/order/v1/saga_service";
import { Command } from "commander";
import {
  type CommandProcess,
  choiceOf,
  connect,
  firstOf,
  limit,
  namesOf,
  once,
  seconds,
  uuid,
  withRequestId,
} from "./context.ts";
import { durationText, nameOf, timeText } from "./format.ts";
import type { Output } from "./output.ts";
import { timelineOf } from "./timeline.ts";

const states = namesOf(SagaState);
const outcomes = namesOf(SagaResolutionOutcome);

export function sagaCommands(process: CommandProcess): Command {
  const sagas = new Command("sagas").description("find, read and move the sagas of orders");

  sagas
    .command("list")
    .description("list sagas, newest first")
    .option("--late", "only those that are open for too long, fail again and again, or are parked")
    .option("--late-after <seconds>", "the age from which an open saga is late", seconds)
    .option("--state <state>", states.join(", "), choiceOf(states))
    .option("--kind <kind>", "place-order or cancel-order")
    .option("--order <id>", "only the sagas of this order", uuid)
    .option("--limit <n>", "how many", limit, 50)
    .action(async (options, command) => {
      const { api, output } = connect(process, command);
      const filter = {
        late: options.late ?? options.lateAfter !== undefined,
        ...(options.lateAfter !== undefined && {
          lateAfter: durationFromMs(options.lateAfter * 1_000),
        }),
        state: SagaState[options.state as keyof typeof SagaState],
        kind: options.kind ?? "",
        orderId: options.order ?? "",
      };
      const found = await firstOf(options.limit, {
        output,
        fetch: async (page) => {
          const response = await api.sagas.listSagas({ ...page, ...filter });
          return { items: response.sagas, nextPageToken: response.nextPageToken };
        },
      });
      output.list(
        ListSagasResponseSchema,
        create(ListSagasResponseSchema, { sagas: found }),
        ["SAGA", "KIND", "STATE", "STEP", "AGE", "LATE", "ORDER", "LAST ERROR"],
        found.map((saga) => [
          saga.id,
          saga.kind,
          nameOf(SagaState, saga.state),
          saga.step,
          durationText(saga.age),
          lateText(saga),
          saga.orderId,
          saga.lastError,
        ]),
      );
    });

  sagas
    .command("show")
    .description("show a saga with its events")
    .argument("<saga>", "its id", uuid)
    .action(async (sagaId, _options, command) => {
      const { api, output } = connect(process, command);
      showSaga(output, await api.sagas.getSaga({ sagaId }));
    });

  withRequestId(
    sagas
      .command("retry")
      .description("retry a saga now, with a new time budget if it is parked")
      .argument("<saga>", "its id", uuid),
  ).action(async (sagaId, options, command) => {
    const { api, output } = connect(process, command);
    const retry = (requestId: string) => api.sagas.retrySaga({ sagaId, requestId });
    showSaga(output, await once(options, retry));
  });

  withRequestId(
    sagas
      .command("compensate")
      .description("make a RUNNING saga undo what it has done; the payment is refunded")
      .argument("<saga>", "its id", uuid)
      .requiredOption("--reason <text>", "why, stored with the order"),
  ).action(async (sagaId, options, command) => {
    const { api, output } = connect(process, command);
    const { reason } = options;
    const compensate = (requestId: string) =>
      api.sagas.compensateSaga({ sagaId, requestId, reason });
    showSaga(output, await once(options, compensate));
  });

  withRequestId(
    sagas
      .command("resolve")
      .description("close a saga that you have settled outside the system; moves no money")
      .argument("<saga>", "its id", uuid)
      .requiredOption("--outcome <outcome>", outcomes.join(" or "), choiceOf(outcomes))
      .requiredOption("--reference <text>", "the proof of it, like a transfer's number")
      .requiredOption("--reason <text>", "why, stored with the saga"),
  ).action(async (sagaId, options, command) => {
    const { api, output } = connect(process, command);
    const { reference, reason } = options;
    const outcome = SagaResolutionOutcome[options.outcome as keyof typeof SagaResolutionOutcome];
    const resolve = (requestId: string) =>
      api.sagas.resolveSaga({ sagaId, requestId, outcome, reference, reason });
    showSaga(output, await once(options, resolve));
  });

  return sagas;
}

const lateText = ({ lateReason }: Saga): string =>
  lateReason === SagaLateReason.UNSPECIFIED ? "" : nameOf(SagaLateReason, lateReason);

function showSaga(output: Output, saga: Saga): void {
  const { resolution } = saga;
  output.one(
    SagaSchema,
    saga,
    [
      ["saga", saga.id],
      ["kind", `${saga.kind}, version ${saga.version}`],
      ["state", nameOf(SagaState, saga.state)],
      ["step", saga.step],
      ["late", lateText(saga)],
      ["failed attempts", String(saga.attempt)],
      ["next attempt", timeText(saga.nextRunTime)],
      ["last error", saga.lastError],
      ["order", saga.orderId],
      ["owner", saga.owner],
      ["age", durationText(saga.age)],
      ["created", timeText(saga.createTime)],
      ["updated", timeText(saga.updateTime)],
      ["resolved", resolution ? nameOf(SagaResolutionOutcome, resolution.outcome) : ""],
      ["reference", resolution?.reference ?? ""],
      ["reason", resolution?.reason ?? ""],
      ["by", resolution?.principal ?? ""],
    ],
    timelineOf(saga.events),
  );
}

import { durationMs } from "@bufbuild/protobuf/wkt";
import type { ConnectRouter, HandlerContext } from "@connectrpc/connect";
import {
  CompensateSagaRequestSchema,
  ResolveSagaRequestSchema,
  RetrySagaRequestSchema,
  SagaService,
} from "@tercet/gen/order/v1/saga_service";
import {
  type AnySaga,
  type Author,
  compensateNow,
  definitionOf,
  findSaga,
  listSagas,
  type Move,
  resolveNow,
  retryNow,
  type SagaView,
} from "@tercet/saga";
import {
  decodePageToken,
  markReplayed,
  notFound,
  once,
  pageSize,
  type RequestRecord,
  toPage,
  toRequest,
} from "@tercet/service";
import { OrderError, type OrderReason } from "./errors.ts";
import { fromResolutionOutcome, fromStateMessage, toSagaMessage } from "./message.ts";
import type { OrderDeps } from "./order-deps.ts";

export interface SagaDeps extends Pick<OrderDeps, "sql" | "store" | "engine" | "observer"> {
  readonly definitions: readonly AnySaga[];
}

/** The handlers of order.v1.SagaService. */
export function sagaRoutes(deps: SagaDeps) {
  const { sql, definitions } = deps;
  return (router: ConnectRouter): void => {
    router.service(SagaService, {
      async listSagas({ pageSize: requested, pageToken, lateAfter, ...filter }) {
        const size = pageSize(requested);
        const { kind, late } = filter;
        const state = fromStateMessage(filter.state);
        const rows = await listSagas(
          sql,
          { state, kind, late, subject: filter.orderId || undefined },
          { definitions, afterMs: lateAfter && durationMs(lateAfter) },
          decodePageToken(pageToken),
          size + 1,
        );
        const page = toPage(rows, size, (saga) => saga.id);
        return {
          sagas: page.rows.map((saga) => toSagaMessage(saga, false)),
          nextPageToken: page.nextPageToken,
        };
      },

      getSaga: async ({ sagaId }) => toSagaMessage(await existingSaga(deps, sagaId), true),

      retrySaga: (message, context) =>
        applyIntervention(
          deps,
          context,
          toRequest(context, RetrySagaRequestSchema, message, message.sagaId),
          "SAGA_NOT_RETRYABLE",
          (saga, definition, author) => definition && retryNow(saga, definition, author),
        ),

      compensateSaga: (message, context) =>
        applyIntervention(
          deps,
          context,
          toRequest(context, CompensateSagaRequestSchema, message, message.sagaId),
          "SAGA_NOT_COMPENSATABLE",
          (saga, definition, author) => {
            const failure = { reason: "CANCELLED_BY_OPERATOR", message: message.reason };
            return definition && compensateNow(saga, definition, failure, author);
          },
        ),

      resolveSaga: (message, context) =>
        applyIntervention(
          deps,
          context,
          toRequest(context, ResolveSagaRequestSchema, message, message.sagaId),
          "SAGA_NOT_RESOLVABLE",
          (saga, definition, { worker, principal }) => {
            const { reference, reason } = message;
            const outcome = fromResolutionOutcome(message.outcome);
            const resolution = { outcome, reference, reason, principal };
            return resolveNow(saga, definition, resolution, worker);
          },
        ),
    });
  };
}

/** Applies an operator's move; throws `refusal` if the saga does not allow it. */
async function applyIntervention(
  deps: SagaDeps,
  context: HandlerContext,
  request: RequestRecord,
  refusal: OrderReason,
  decide: (saga: SagaView, definition: AnySaga | undefined, author: Author) => Move | undefined,
) {
  const { store, engine, observer } = deps;
  const saga = await existingSaga(deps, request.resourceId);
  const author = { worker: engine.worker, principal: request.caller };
  const move = decide(saga, definitionOf(deps.definitions, saga), author);
  const result = await once(
    store,
    request,
    async () => move !== undefined && store.intervene(request, move, saga.kind),
  );
  if (result.kind === "replayed") markReplayed(context);
  if (result.kind === "unchanged")
    throw new OrderError(
      refusal,
      refusal === "SAGA_NOT_RESOLVABLE" && saga.state === "RUNNING"
        ? "a saga that is RUNNING can still be undone: compensate it first"
        : `a saga that is ${saga.state} does not allow this, or it has just changed`,
      { state: saga.state },
    );
  if (result.kind === "done" && move !== undefined) observer.onIntervened?.(saga, move);
  engine.wake();
  return toSagaMessage(await existingSaga(deps, saga.id), true);
}

async function existingSaga({ sql, definitions }: SagaDeps, id: string): Promise<SagaView> {
  const saga = await findSaga(sql, id, { definitions });
  if (saga === undefined) throw notFound("saga");
  return saga;
}

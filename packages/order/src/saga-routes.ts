import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import {
  CompensateSagaRequestSchema,
  RetrySagaRequestSchema,
  type SagaService,
} from "@tercet/gen/order/v1/saga_service";
import type { Move, SagaDefinition, SagaEngine } from "@tercet/saga";
import {
  decodePageToken,
  markReplayed,
  notFound,
  once,
  pageSize,
  type RequestRecord,
  type Sql,
  toPage,
  toRequest,
} from "@tercet/service";
import { OrderError, type OrderReason } from "./errors.ts";
import { retryNow, turnBack } from "./interventions.ts";
import { fromStateMessage, toSagaMessage } from "./message.ts";
import { findSaga, listSagas, type SagaView } from "./saga-store.ts";
import type { OrderStore } from "./store.ts";

export interface SagaDependencies {
  readonly sql: Sql;
  readonly orders: OrderStore;
  readonly engine: SagaEngine;
  readonly definitions: readonly Pick<
    SagaDefinition,
    "kind" | "recovery" | "deadlineMs" | "compensationBudgetMs"
  >[];
}

export function sagaRoutes({
  sql,
  orders,
  engine,
  definitions,
}: SagaDependencies): ServiceImpl<typeof SagaService> {
  const existing = async (id: string): Promise<SagaView> => {
    const saga = await findSaga(sql, id);
    if (saga === undefined) throw notFound("saga");
    return saga;
  };
  const definitionOf = (saga: SagaView) =>
    definitions.find((definition) => definition.kind === saga.kind);
  /**
   * Applies the operator's move if the saga allows it; `decide` answers undefined when it does not.
   */
  const order = async (
    request: RequestRecord,
    context: HandlerContext,
    refusal: OrderReason,
    decide: (saga: SagaView) => Move | undefined,
  ) => {
    const saga = await existing(request.resourceId);
    const move = decide(saga);
    const result = await once(
      orders,
      request,
      async () => move !== undefined && orders.intervene(request, move, saga.kind),
    );
    if (result.kind === "replayed") markReplayed(context);
    if (result.kind === "unchanged")
      throw new OrderError(
        refusal,
        `a saga that is ${saga.state} does not allow this, or it has just changed`,
        { state: saga.state },
      );
    engine.poke();
    return toSagaMessage(await existing(saga.id), true);
  };
  return {
    async listSagas({ pageSize: requested, pageToken, state, kind }) {
      const size = pageSize(requested);
      const rows = await listSagas(
        sql,
        { state: fromStateMessage(state), kind },
        decodePageToken(pageToken),
        size + 1,
      );
      const page = toPage(rows, size, (saga) => saga.id);
      return {
        sagas: page.rows.map((saga) => toSagaMessage(saga, false)),
        nextPageToken: page.nextPageToken,
      };
    },

    getSaga: async ({ sagaId }) => toSagaMessage(await existing(sagaId), true),

    retrySaga: (message, context) =>
      order(
        toRequest(context, RetrySagaRequestSchema, message, message.sagaId),
        context,
        "SAGA_NOT_RETRYABLE",
        (saga) => {
          const definition = definitionOf(saga);
          const retryable = saga.state !== "COMPLETED" && saga.state !== "COMPENSATED";
          return retryable && definition !== undefined
            ? retryNow(saga, definition, engine.worker)
            : undefined;
        },
      ),

    compensateSaga: (message, context) =>
      order(
        toRequest(context, CompensateSagaRequestSchema, message, message.sagaId),
        context,
        "SAGA_NOT_COMPENSATABLE",
        (saga) => {
          const definition = definitionOf(saga);
          const forward =
            saga.state === "RUNNING" ||
            (saga.state === "NEEDS_ATTENTION" && saga.resumeState === "RUNNING");
          if (!forward || definition?.recovery !== "backward") return undefined;
          return turnBack(
            saga,
            { reason: "CANCELLED_BY_OPERATOR", message: message.reason },
            definition,
            engine.worker,
          );
        },
      ),
  };
}

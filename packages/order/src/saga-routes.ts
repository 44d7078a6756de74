import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import {
  CompensateSagaRequestSchema,
  RetrySagaRequestSchema,
  type SagaService,
} from "@tercet/gen/order/v1/saga_service";
import {
  type AnySaga,
  compensateNow,
  findSaga,
  listSagas,
  type Move,
  retryNow,
  type SagaEngine,
  type SagaView,
} from "@tercet/saga";
import {
  decodePageToken,
  notFound,
  pageSize,
  type RequestRecord,
  type Sql,
  toPage,
} from "@tercet/service";
import { OrderError, type OrderReason } from "./errors.ts";
import { fromStateMessage, toSagaMessage } from "./message.ts";
import type { OrderStore } from "./order-store.ts";
import { once, toRequest } from "./requests.ts";

export interface SagaRouteDeps {
  readonly sql: Sql;
  readonly orders: OrderStore;
  readonly engine: SagaEngine;
  readonly definitions: readonly AnySaga[];
}

export function sagaRoutes(deps: SagaRouteDeps): ServiceImpl<typeof SagaService> {
  const { sql, engine } = deps;
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

    getSaga: async ({ sagaId }) => toSagaMessage(await existingSaga(sql, sagaId), true),

    retrySaga: (message, context) =>
      applyIntervention(
        deps,
        context,
        toRequest(context, RetrySagaRequestSchema, message, message.sagaId),
        "SAGA_NOT_RETRYABLE",
        (saga, definition) => retryNow(saga, definition, engine.worker),
      ),

    compensateSaga: (message, context) =>
      applyIntervention(
        deps,
        context,
        toRequest(context, CompensateSagaRequestSchema, message, message.sagaId),
        "SAGA_NOT_COMPENSATABLE",
        (saga, definition) => {
          const failure = { reason: "CANCELLED_BY_OPERATOR", message: message.reason };
          return compensateNow(saga, definition, failure, engine.worker);
        },
      ),
  };
}

/** Applies an operator's move; throws `refusal` if the saga does not allow it. */
async function applyIntervention(
  { sql, orders, engine, definitions }: SagaRouteDeps,
  context: HandlerContext,
  request: RequestRecord,
  refusal: OrderReason,
  decide: (saga: SagaView, definition: AnySaga) => Move | undefined,
) {
  const saga = await existingSaga(sql, request.resourceId);
  const definition = definitions.find(({ kind }) => kind === saga.kind);
  const move = definition && decide(saga, definition);
  const done = await once(
    sql,
    context,
    request,
    async () => move !== undefined && orders.intervene(request, move, saga.kind),
  );
  if (done === undefined)
    throw new OrderError(
      refusal,
      `a saga that is ${saga.state} does not allow this, or it has just changed`,
      { state: saga.state },
    );
  engine.wake();
  return toSagaMessage(await existingSaga(sql, saga.id), true);
}

async function existingSaga(sql: Sql, id: string): Promise<SagaView> {
  const saga = await findSaga(sql, id);
  if (saga === undefined) throw notFound("saga");
  return saga;
}

import type { ConnectRouter, HandlerContext } from "@connectrpc/connect";
import {
  CompensateSagaRequestSchema,
  RetrySagaRequestSchema,
  SagaService,
} from "@tercet/gen/order/v1/saga_service";
import {
  type AnySaga,
  compensateNow,
  findSaga,
  listSagas,
  type Move,
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
  type Sql,
  toPage,
  toRequest,
} from "@tercet/service";
import { OrderError, type OrderReason } from "./errors.ts";
import { fromStateMessage, toSagaMessage } from "./message.ts";
import type { OrderDeps } from "./order-deps.ts";

export interface SagaDeps extends Pick<OrderDeps, "sql" | "store" | "engine"> {
  readonly definitions: readonly AnySaga[];
}

/** The handlers of order.v1.SagaService. */
export function sagaRoutes(deps: SagaDeps) {
  const { sql, engine } = deps;
  return (router: ConnectRouter): void => {
    router.service(SagaService, {
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
    });
  };
}

/** Applies an operator's move; throws `refusal` if the saga does not allow it. */
async function applyIntervention(
  { sql, store, engine, definitions }: SagaDeps,
  context: HandlerContext,
  request: RequestRecord,
  refusal: OrderReason,
  decide: (saga: SagaView, definition: AnySaga) => Move | undefined,
) {
  const saga = await existingSaga(sql, request.resourceId);
  const definition = definitions.find(({ kind }) => kind === saga.kind);
  const move = definition && decide(saga, definition);
  const result = await once(
    store,
    request,
    async () => move !== undefined && store.intervene(request, move, saga.kind),
  );
  if (result.kind === "replayed") markReplayed(context);
  if (result.kind === "unchanged")
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

import type { MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs, timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { ProductSchema } from "@tercet/gen/order/v1/catalog_service";
import { type OrderSchema, OrderStatus as WireStatus } from "@tercet/gen/order/v1/order_service";
import { SagaAction, type SagaEventSchema, SagaOutcome } from "@tercet/gen/order/v1/saga_event";
import {
  SagaLateReason,
  SagaResolutionOutcome,
  type SagaSchema,
  SagaState as WireState,
} from "@tercet/gen/order/v1/saga_service";
import {
  isOpen,
  type NewResolution,
  RESOLUTION_OUTCOMES,
  type SagaEvent,
  type SagaState,
  type SagaView,
} from "@tercet/saga";
import {
  itemTotal,
  type Order,
  type OrderItem,
  type OrderStatus,
  type OrderWithTimeline,
  type Product,
} from "./order.ts";

export const toProductMessage = (product: Product): MessageInitShape<typeof ProductSchema> => ({
  ...product,
  updateTime: timestampFromDate(product.updateTime),
});

export const toOrderMessage = (
  order: Order | OrderWithTimeline,
): MessageInitShape<typeof OrderSchema> => ({
  id: order.id,
  customerId: order.customerId,
  status: WireStatus[order.status],
  items: order.items.map(toItemMessage),
  total: order.total,
  paymentId: order.paymentId,
  refunded: order.refunded,
  ...(order.failure && { failure: order.failure }),
  createTime: timestampFromDate(order.createTime),
  updateTime: timestampFromDate(order.updateTime),
  ...("timeline" in order && {
    timeline: order.timeline.map(toEventMessage),
    sagaIds: [...order.sagaIds],
  }),
});

const toItemMessage = (item: OrderItem) => ({ ...item, total: itemTotal(item) });

/** As customers see it too: without who intervened. */
export const toEventMessage = (event: SagaEvent): MessageInitShape<typeof SagaEventSchema> => ({
  time: timestampFromDate(new Date(event.time)),
  step: event.step,
  action: SagaAction[event.action],
  outcome: SagaOutcome[event.outcome],
  attempt: event.attempt,
  duration: durationFromMs(event.durationMs),
  message: event.message,
  worker: event.worker,
});

export const toSagaMessage = (
  saga: SagaView,
  withEvents: boolean,
): MessageInitShape<typeof SagaSchema> => ({
  id: saga.id,
  kind: saga.kind,
  version: saga.version,
  state: WireState[saga.state],
  step: saga.step,
  attempt: saga.attempt,
  ...(isOpen(saga.state) && { nextRunTime: timestampFromDate(saga.nextRunAt) }),
  owner: saga.ownerName ?? "",
  fence: saga.fence,
  lastError: saga.lastError ?? "",
  orderId: saga.subject,
  events: withEvents
    ? saga.events.map((event) => ({ ...toEventMessage(event), principal: event.principal ?? "" }))
    : [],
  createTime: timestampFromDate(saga.createTime),
  updateTime: timestampFromDate(saga.updateTime),
  age: durationFromMs(Math.round(saga.ageMs)),
  lateReason: SagaLateReason[saga.lateReason ?? "UNSPECIFIED"],
  ...(saga.resolution && {
    resolution: {
      ...saga.resolution,
      outcome: SagaResolutionOutcome[saga.resolution.outcome],
      time: timestampFromDate(new Date(saga.resolution.time)),
    },
  }),
});

/** The schema allows no other value than these. */
export const fromResolutionOutcome = (outcome: SagaResolutionOutcome): NewResolution["outcome"] =>
  RESOLUTION_OUTCOMES.find((name) => SagaResolutionOutcome[name] === outcome) ?? "WRITTEN_OFF";

/** A filter: unspecified is undefined, which matches all. */
export const fromStatusMessage = (status: WireStatus): OrderStatus | undefined =>
  status === WireStatus.UNSPECIFIED ? undefined : (WireStatus[status] as OrderStatus);

export const fromStateMessage = (state: WireState): SagaState | undefined =>
  state === WireState.UNSPECIFIED ? undefined : (WireState[state] as SagaState);

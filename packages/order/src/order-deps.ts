import type { SagaDefinition, SagaEngine, SagaObserver } from "@tercet/saga";
import type { Sql } from "@tercet/service";
import type { OrderChanges } from "./order-changes.ts";
import type { ProductCache } from "./product-cache.ts";
import type { CancelInput, PlaceInput } from "./sagas.ts";
import type { OrderStore } from "./store.ts";

export interface OrderDeps {
  readonly sql: Sql;
  readonly store: OrderStore;
  readonly products: ProductCache;
  readonly engine: SagaEngine;
  readonly observer: SagaObserver;
  readonly changes: OrderChanges;
  readonly placeOrder: SagaDefinition<PlaceInput>;
  readonly cancelOrder: SagaDefinition<CancelInput>;
}

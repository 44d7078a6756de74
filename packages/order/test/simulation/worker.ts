import {
  type AnySaga,
  type Author,
  compensateNow,
  createSagaEngine,
  definitionOf,
  type Move,
  resolveNow,
  retryNow,
  type SagaEngine,
} from "@tercet/saga";
import { paymentIdOf } from "../../src/order.ts";
import { orderSagas } from "../../src/saga-paths.ts";
import type { PlaceInput } from "../../src/sagas.ts";
import type { OrderStore } from "../../src/store.ts";
import { Connection, memoryStore } from "./connection.ts";
import type { MemoryDatabase, OrderRow, SagaRow } from "./memory-database.ts";
import { paymentClient } from "./payment-client.ts";
import { Process } from "./process.ts";
import type { World } from "./world.ts";

/** In the proportions of the defaults, with fewer polls: most events of a quiet world are polls. */
const ENGINE = {
  leaseMs: 5_000,
  heartbeatMs: 1_500,
  pollMs: 2_000,
  stepTimeoutMs: 1_500,
  stopGraceMs: 2_000,
};
/**
 * The budget is far longer than any backoff has become when the faults end: a fault that passes
 * must never need an operator.
 */
const TIMES = { deadlineMs: 12_000, compensationBudgetMs: 300_000 };
const RESTART_MS = 500;

/** A replica of Order: a process with the real engine and the real sagas. */
export class OrderWorker {
  readonly process: Process;
  readonly instance: string;
  readonly engine: SagaEngine;
  readonly #sagas: ReturnType<typeof orderSagas>;
  readonly #connection: Connection;

  constructor(name: string, instance: string, world: World) {
    const { time, random, journal, profile } = world;
    this.instance = instance;
    this.process = new Process(name, time, random);
    this.#connection = new Connection(world, this.process);
    const payments = paymentClient({ ...world, process: this.process });
    const deps = { orders: this.#orderStore(), payments, times: TIMES };
    this.#sagas = orderSagas(deps);
    this.engine = createSagaEngine({
      store: memoryStore(this.#connection, () => this.engine.worker),
      definitions: Object.values(this.#sagas),
      clock: this.process.clock,
      workerName: name,
      instance,
      maxHeld: profile.maxHeld,
      ...ENGINE,
      observer: {
        onHeld: ({ subject, step, state, fence }) =>
          journal.note(`${name} holds ${subject} ${state} ${step} fence ${fence}`),
        onMoved: ({ subject }, state) => journal.note(`${name} moved ${subject} to ${state}`),
        onAttemptFailed: ({ subject, step }, error) =>
          journal.note(`${name} ${subject} ${step} failed: ${(error as Error).message}`),
        onParked: ({ subject }) => journal.note(`${name} parked ${subject}`),
        onFenced: ({ subject }) => journal.note(`${name} lost ${subject}`),
        onEngineError: (error) => journal.note(`${name} error: ${(error as Error).message}`),
      },
    });
  }

  /** The statements of Order's sagas, on the simulated database; sagas use no others. */
  #orderStore(): OrderStore {
    const worker = () => this.engine.worker;
    const apply: Connection["apply"] = (moves, statement) =>
      this.#connection.apply(moves, statement);
    const used: Pick<
      OrderStore,
      "closeOrders" | "confirmOrders" | "restockOrders" | "reflectMoves"
    > = {
      closeOrders: (moves) => apply(moves, (database) => database.close(moves, worker())),
      confirmOrders: (moves) => apply(moves, (database) => database.confirm(moves, worker())),
      restockOrders: (moves) => apply(moves, (database) => database.restock(moves, worker())),
      reflectMoves: (moves) => apply(moves, (database) => database.reflect(moves, worker())),
    };
    return used as OrderStore;
  }

  /** Retries until it succeeds, as a supervisor would. */
  async start(): Promise<void> {
    try {
      await this.engine.start();
    } catch {
      this.process.deliver(RESTART_MS, () => void this.start());
    }
  }

  crash(): void {
    this.process.dead = true;
  }

  async stop(): Promise<void> {
    await this.engine.stop();
    this.process.dead = true;
  }

  /** Resolves to true when the order is stored, by this call or an earlier one; else unknown. */
  async place(order: OrderRow, input: PlaceInput, sagaId: string): Promise<boolean> {
    const { customerId } = input;
    const prepared = this.engine.prepare(this.#sagas.placeOrder, order.id, input, customerId);
    const saga = { ...prepared, id: sagaId };
    try {
      if (await this.#connection.query((database) => database.insertOrder(order, saga)))
        this.engine.drive(saga);
      return true;
    } catch {
      return false;
    }
  }

  /** A customer cancels a confirmed order through this worker. */
  async cancel(orderId: string, sagaId: string): Promise<void> {
    const input = { paymentId: paymentIdOf(orderId), reason: "CANCELLED_BY_CUSTOMER" };
    const saga = { ...this.engine.prepare(this.#sagas.cancelOrder, orderId, input), id: sagaId };
    try {
      if (await this.#connection.query((database) => database.cancelConfirmed(orderId, saga)))
        this.engine.drive(saga);
    } catch {
      // The customer does not know the outcome either.
    }
  }

  /** A customer cancels a pending order through this worker. */
  compensate(orderId: string): Promise<boolean> {
    const failure = { reason: "CANCELLED_BY_CUSTOMER", message: "no longer wanted" };
    return this.#intervene(
      (database) => database.sagas.get(orderId),
      (saga) =>
        saga.state === "RUNNING"
          ? compensateNow(saga, this.#sagas.placeOrder, failure, this.#author("customer"))
          : undefined,
    );
  }

  /** An operator retries a parked saga. */
  retry(orderId: string): Promise<boolean> {
    return this.#intervene(
      (database) => database.cancellations.get(orderId) ?? database.sagas.get(orderId),
      (saga, definition) =>
        saga.state === "NEEDS_ATTENTION"
          ? retryNow(saga, definition, this.#author("operator"))
          : undefined,
    );
  }

  /** An operator closes a saga that is parked or being undone. */
  resolve(orderId: string): Promise<boolean> {
    const resolution = {
      outcome: "SETTLED_OUTSIDE",
      reference: "transfer",
      reason: "refunded by hand",
      principal: "operator",
    } as const;
    return this.#intervene(
      (database) => database.cancellations.get(orderId) ?? database.sagas.get(orderId),
      (saga, definition) => resolveNow(saga, definition, resolution, this.engine.worker),
    );
  }

  #author(principal: string): Author {
    return { worker: this.engine.worker, principal };
  }

  /** Reads the saga, and moves it if it is still the same. */
  async #intervene(
    find: (database: MemoryDatabase) => SagaRow | undefined,
    decide: (saga: SagaRow, definition: AnySaga) => Move | undefined,
  ): Promise<boolean> {
    try {
      const found = await this.#connection.query((database) => structuredClone(find(database)));
      const definition = found && definitionOf(Object.values(this.#sagas), found);
      const move = found && definition && decide(found, definition);
      if (move === undefined) return false;
      const [result] = await this.#connection.query((database) =>
        database.reflect([move], undefined),
      );
      this.engine.wake();
      return result?.moved === true;
    } catch {
      return false;
    }
  }
}

import {
  createSagaEngine,
  type Move,
  type SagaDefinition,
  type SagaEngine,
} from "../../src/index.ts";
import { type CancelInput, cancelOrder } from "./cancel-order.ts";
import { Connection, memoryStore } from "./connection.ts";
import type { MemoryDatabase, OrderRow, SagaRow } from "./memory-database.ts";
import { type PlaceInput, paymentOf, placeOrder, TIMES } from "./place-order.ts";
import { Process } from "./process.ts";
import type { World } from "./world.ts";

/**
 * Times of the engine, in milliseconds: the defaults' proportions, with fewer polls, which are most
 * of what happens in a quiet world.
 */
const ENGINE = {
  leaseMs: 5_000,
  heartbeatMs: 1_500,
  pollMs: 2_000,
  stepTimeoutMs: 1_500,
  stopGraceMs: 2_000,
};
const START_AGAIN_MS = 500;

/** A replica of the order service: a process with the real engine in it. */
export class OrderWorker {
  readonly process: Process;
  readonly engine: SagaEngine;
  readonly #placeOrder: SagaDefinition<PlaceInput>;
  readonly #cancelOrder: SagaDefinition<CancelInput>;
  readonly #connection: Connection;

  constructor(name: string, world: World) {
    const { time, random, journal, payment, network, defect, registered } = world;
    this.process = new Process(name, time, random);
    this.#connection = new Connection(world, this.process);
    const worker = () => this.engine.worker;
    const { process } = this;
    const dependencies = {
      process,
      connection: this.#connection,
      network,
      payment,
      worker,
      defect,
      registered,
    };
    this.#placeOrder = placeOrder(dependencies);
    this.#cancelOrder = cancelOrder(dependencies);
    this.engine = createSagaEngine({
      store: memoryStore(this.#connection, worker),
      definitions: [this.#placeOrder, this.#cancelOrder],
      clock: this.process.clock,
      workerName: name,
      maxHeld: world.profile.maxHeld,
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

  /** Until it works, as a supervisor would. */
  async start(): Promise<void> {
    try {
      await this.engine.start();
    } catch {
      this.process.deliver(START_AGAIN_MS, () => void this.start());
    }
  }

  crash(): void {
    this.process.dead = true;
  }

  async stop(): Promise<void> {
    await this.engine.stop();
    this.process.dead = true;
  }

  /** True when the order is there, whoever made it; false when nobody knows. */
  async place(order: OrderRow, input: PlaceInput, sagaId: string): Promise<boolean> {
    const saga = { ...this.engine.prepare(this.#placeOrder, order.id, input), id: sagaId };
    try {
      if (await this.#connection.query((database) => database.insertOrder(order, saga)))
        this.engine.drive(saga);
      return true;
    } catch {
      return false;
    }
  }

  /** A confirmed order's customer, by way of this worker's API. */
  async cancel(orderId: string, sagaId: string): Promise<void> {
    const saga = {
      ...this.engine.prepare(this.#cancelOrder, orderId, { paymentId: paymentOf(orderId) }),
      id: sagaId,
    };
    try {
      if (await this.#connection.query((database) => database.cancelConfirmed(orderId, saga)))
        this.engine.drive(saga);
    } catch {
      // The customer does not know either.
    }
  }

  /** A pending order's customer. */
  turnBack(orderId: string): Promise<boolean> {
    const failure = { reason: "CANCELLED_BY_CUSTOMER", message: "no longer wanted" };
    return this.#intervene(
      (database) => database.sagas.get(orderId),
      ({ state }) => (state === "RUNNING" ? { state: "COMPENSATING", failure } : undefined),
    );
  }

  /** An operator sends a parked saga on, in the direction it was going. */
  resume(orderId: string): Promise<boolean> {
    return this.#intervene(
      (database) => database.cancellations.get(orderId) ?? database.sagas.get(orderId),
      ({ state, resumeState }) =>
        state === "NEEDS_ATTENTION" && resumeState !== null
          ? { state: resumeState, failure: null }
          : undefined,
    );
  }

  /**
   * From outside, by way of this worker's API: it reads the saga, and moves it if it is still the
   * same.
   */
  async #intervene(
    find: (database: MemoryDatabase) => SagaRow | undefined,
    decide: (saga: SagaRow) => Pick<Move, "state" | "failure"> | undefined,
  ): Promise<boolean> {
    try {
      const found = await this.#connection.query((database) => structuredClone(find(database)));
      const decided = found && decide(found);
      if (found === undefined || decided === undefined) return false;
      const { id: sagaId, fence, step, state: from } = found;
      const rest = {
        attempt: 0,
        resumeState: null,
        lastError: null,
        events: [],
        delayMs: 0,
        release: true,
        bumpFence: true,
      };
      const move = {
        sagaId,
        fence,
        from,
        step,
        budgetMs: TIMES.compensationBudgetMs,
        ...rest,
        ...decided,
      };
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

import { createSagaEngine, type SagaDefinition, type SagaEngine } from "../../src/index.ts";
import { Connection, memoryStore } from "./connection.ts";
import type { OrderRow } from "./memory-database.ts";
import { type PlaceInput, placeOrder } from "./place-order.ts";
import { Process } from "./process.ts";
import type { World } from "./world.ts";

/** Times of the engine, in milliseconds: the defaults' proportions, with fewer polls, which are most of what happens in a quiet world. */
const ENGINE = { leaseMs: 5_000, heartbeatMs: 1_500, pollMs: 2_000, stepTimeoutMs: 1_500, stopGraceMs: 2_000 };
const START_AGAIN_MS = 500;

/** A replica of the order service: a process with the real engine in it. */
export class OrderWorker {
  readonly process: Process;
  readonly engine: SagaEngine;
  readonly #definition: SagaDefinition<PlaceInput>;
  readonly #connection: Connection;

  constructor(name: string, world: World) {
    const { time, random, journal, payment, network, defect, registered } = world;
    this.process = new Process(name, time, random);
    this.#connection = new Connection(world, this.process);
    const worker = () => this.engine.worker;
    const { process } = this;
    this.#definition = placeOrder({ process, connection: this.#connection, network, payment, worker, defect, registered });
    this.engine = createSagaEngine({
      store: memoryStore(this.#connection, worker),
      definitions: [this.#definition],
      clock: this.process.clock,
      workerName: name,
      maxHeld: world.profile.maxHeld,
      ...ENGINE,
      observer: {
        onHeld: ({ subject, step, state, fence }) => journal.note(`${name} holds ${subject} ${state} ${step} fence ${fence}`),
        onMoved: ({ subject }, state) => journal.note(`${name} moved ${subject} to ${state}`),
        onAttemptFailed: ({ subject, step }, error) => journal.note(`${name} ${subject} ${step} failed: ${(error as Error).message}`),
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
    const saga = { ...this.engine.prepare(this.#definition, order.id, input), id: sagaId };
    try {
      if (await this.#connection.query((database) => database.insertOrder(order, saga))) this.engine.drive(saga);
      return true;
    } catch {
      return false;
    }
  }

  /** An intervention from outside by way of this worker's API: it reads the saga, and moves it if it is still the same. */
  async intervene(orderId: string, state: "RUNNING" | "NEEDS_ATTENTION", to: "COMPENSATING", budgetMs: number): Promise<boolean> {
    try {
      const saga = await this.#connection.query((database) => ({ ...database.sagas.get(orderId) }));
      if (saga.id === undefined || saga.fence === undefined || saga.step === undefined || saga.state !== state) return false;
      const { id: sagaId, fence, step } = saga;
      const failure = state === "RUNNING" ? { reason: "CANCELLED_BY_CUSTOMER", message: "no longer wanted" } : null;
      const rest = { attempt: 0, resumeState: null, lastError: null, results: {}, events: [], delayMs: 0, release: true, evict: true };
      const move = { sagaId, fence, from: state, state: to, step, failure, budgetMs, ...rest };
      const [result] = await this.#connection.query((database) => database.reflect([move], undefined));
      this.engine.poke();
      return result?.moved === true;
    } catch {
      return false;
    }
  }
}

import { hostname } from "node:os";
import { v7 as uuidv7 } from "uuid";
import { type Clock, systemClock } from "./clock.ts";
import type { AnySaga, SagaDefinition } from "./definition.ts";
import { type DriveContext, drive } from "./drive.ts";
import type { NewSaga } from "./moves.ts";
import type { SagaObserver } from "./observer.ts";
import type { HeldSaga } from "./saga.ts";
import type { SagaStore, Worker } from "./store.ts";
import { noTracer, type SagaTracer, type Taking } from "./tracer.ts";

/** Times in milliseconds. */
export interface EngineOptions {
  readonly store: SagaStore;
  readonly definitions: readonly AnySaga[];
  readonly observer?: SagaObserver;
  readonly tracer?: SagaTracer;
  readonly clock?: Clock;
  /** For people; the host and process by default. */
  readonly workerName?: string;
  /** A worker not seen for so long has lost its sagas. */
  readonly leaseMs?: number;
  /** Well below the lease, also of a lease that is short: else the living lose their sagas. */
  readonly heartbeatMs?: number;
  /** How often due sagas are looked for; with the lease it bounds how long a take-over takes. */
  readonly pollMs?: number;
  /** For one attempt of a remote step. */
  readonly stepTimeoutMs?: number;
  /** Sagas this process works on at once. */
  readonly maxHeld?: number;
  /** How long `stop` lets steps in flight finish before it hands their sagas over as they are. */
  readonly stopGraceMs?: number;
}

/** Drives sagas in this process; any number of processes share one database. */
export interface SagaEngine {
  readonly worker: Worker;
  /** Begins to renew the lease and to take up what is due. Call it once the service is ready. */
  start(): Promise<void>;
  /**
   * A saga about to be stored by the statement that makes its subject (`beginSaga`); hand it to
   * `drive` once it is.
   */
  prepare<Input>(
    definition: SagaDefinition<Input>,
    subject: string,
    input: Input,
    origin?: HeldSaga["origin"],
  ): NewSaga;
  /** How many sagas this process works on. */
  readonly inFlight: number;
  /** Works on a saga that `prepare` made and the database now holds. Returns at once. */
  drive(saga: NewSaga): void;
  /** Looks for due sagas now: something outside made one due. */
  poke(): void;
  /** Lets steps in flight finish, unless `hurry` aborts, then hands everything over at once. */
  stop(hurry?: AbortSignal): Promise<void>;
}

export function createSagaEngine(options: EngineOptions): SagaEngine {
  return new Engine(options);
}

class Engine implements SagaEngine {
  readonly worker: Worker;
  readonly #store: SagaStore;
  readonly #definitions: ReadonlyMap<string, AnySaga>;
  readonly #observer: SagaObserver;
  readonly #tracer: SagaTracer;
  readonly #clock: Clock;
  readonly #leaseMs: number;
  readonly #heartbeatMs: number;
  readonly #pollMs: number;
  readonly #stepTimeoutMs: number;
  readonly #maxHeld: number;
  readonly #stopGraceMs: number;
  /** What this process works on, by saga. */
  readonly #held = new Map<string, Promise<void>>();
  /** What it worked on when the database did not answer: ours on paper, and nobody's in fact. */
  readonly #adrift = new Set<string>();
  readonly #stopping = new AbortController();
  readonly #abandon = new AbortController();
  #wake = new AbortController();
  #loops: Promise<unknown> = Promise.resolve();
  #started = false;

  constructor(options: EngineOptions) {
    this.worker = { id: uuidv7(), name: options.workerName ?? `${hostname()}:${process.pid}` };
    this.#store = options.store;
    this.#definitions = new Map(
      options.definitions.map((definition) => [definitionKey(definition), definition]),
    );
    this.#observer = options.observer ?? {};
    this.#tracer = options.tracer ?? noTracer;
    this.#clock = options.clock ?? systemClock;
    this.#leaseMs = options.leaseMs ?? 5_000;
    this.#heartbeatMs = options.heartbeatMs ?? Math.min(1_000, this.#leaseMs / 4);
    this.#pollMs = options.pollMs ?? 500;
    this.#stepTimeoutMs = options.stepTimeoutMs ?? 5_000;
    this.#maxHeld = options.maxHeld ?? 256;
    this.#stopGraceMs = options.stopGraceMs ?? 5_000;
  }

  async start(): Promise<void> {
    // Before the first saga is ours, others must be able to see that we live.
    await this.#store.heartbeat(this.worker);
    this.#started = true;
    this.#loops = Promise.all([this.#heartbeats(), this.#polls()]);
  }

  prepare<Input>(
    definition: SagaDefinition<Input>,
    subject: string,
    input: Input,
    origin: HeldSaga["origin"] = {},
  ): NewSaga {
    const [first, second] = definition.steps;
    const step = (second ?? first).name;
    return {
      id: uuidv7(),
      kind: definition.kind,
      version: definition.version,
      subject,
      input,
      state: "RUNNING",
      step,
      attempt: 0,
      failure: null,
      results: {},
      origin,
      fence: 1n,
      overdue: false,
      owner: this.#hasRoom() ? this.worker.id : null,
      deadlineMs: definition.deadlineMs,
      event: {
        step: first.name,
        action: "RUN",
        outcome: "SUCCEEDED",
        attempt: 1,
        durationMs: 0,
        message: "",
        worker: this.worker.name,
        agoMs: 0,
      },
    };
  }

  get inFlight(): number {
    return this.#held.size;
  }

  drive(saga: NewSaga): void {
    if (saga.owner === this.worker.id) this.#take(saga, { isNew: true, takenOver: false });
    else this.poke();
  }

  poke(): void {
    this.#wake.abort();
  }

  async stop(hurry: AbortSignal = new AbortController().signal): Promise<void> {
    this.#stopping.abort();
    this.poke();
    await this.#loops;
    const grace = new AbortController();
    const finished = Promise.all(this.#held.values()).finally(() => grace.abort());
    await this.#clock.sleep(this.#stopGraceMs, AbortSignal.any([grace.signal, hurry]));
    this.#abandon.abort(new Error("the process is stopping"));
    await finished;
    if (this.#started)
      await this.#store
        .release(this.worker)
        .catch((error) => this.#observer.onEngineError?.(error));
  }

  #hasRoom(): boolean {
    return this.#started && !this.#stopping.signal.aborted && this.#held.size < this.#maxHeld;
  }

  async #heartbeats(): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      await this.#clock.sleep(this.#heartbeatMs, this.#stopping.signal);
      await this.#store
        .heartbeat(this.worker)
        .catch((error) => this.#observer.onEngineError?.(error));
    }
  }

  async #polls(): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      this.#wake = new AbortController();
      await this.#claim().catch((error) => this.#observer.onEngineError?.(error));
      // `stop` wakes it too.
      await this.#clock.sleep(this.#pollMs, this.#wake.signal);
    }
  }

  async #claim(): Promise<void> {
    const limit = this.#maxHeld - this.#held.size;
    if (limit <= 0) return;
    const known = [...this.#definitions.values()].map(({ kind, version }) => ({ kind, version }));
    const [held, adrift] = [[...this.#held.keys()], [...this.#adrift]];
    const claimed = await this.#store.claimDue({
      worker: this.worker,
      limit,
      leaseMs: this.#leaseMs,
      known,
      held,
      adrift,
    });
    // Those that did not come back have been taken by others, or have ended.
    for (const id of adrift) this.#adrift.delete(id);
    for (const saga of claimed) this.#take(saga, { isNew: false, takenOver: saga.takenOver });
  }

  /**
   * Works on a saga until it leaves. If the database does not answer, a later poll takes it up
   * again from what is stored.
   */
  #take(saga: HeldSaga, taking: Taking): void {
    const definition = this.#definitions.get(definitionKey(saga));
    if (definition === undefined) return;
    this.#observer.onHeld?.(saga, taking.takenOver);
    const context: DriveContext = {
      worker: this.worker,
      store: this.#store,
      clock: this.#clock,
      observer: this.#observer,
      signal: this.#abandon.signal,
      stepTimeoutMs: this.#stepTimeoutMs,
      tracer: this.#tracer,
      isNew: taking.isNew,
      onReleased: (delayMs) =>
        void this.#clock.sleep(delayMs, this.#stopping.signal).then(() => this.poke()),
    };
    const work: Promise<void> = this.#tracer
      .drive(saga, taking, () => drive(definition, saga, context))
      .catch((error) => {
        this.#adrift.add(saga.id);
        this.#observer.onEngineError?.(error);
      })
      .finally(() => {
        // It may have left and come back already, by a claim that was quicker than this.
        if (this.#held.get(saga.id) === work) this.#held.delete(saga.id);
      });
    this.#held.set(saga.id, work);
  }
}

const definitionKey = ({
  kind,
  version,
}: {
  readonly kind: string;
  readonly version: number;
}): string => `${kind}@${version}`;

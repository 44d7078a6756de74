import { hostname } from "node:os";
import { grouped } from "@tercet/group";
import { v7 as uuidv7 } from "uuid";
import { type Clock, systemClock } from "./clock.ts";
import { DEFAULTS } from "./defaults.ts";
import {
  type AnySaga,
  type ApplyMoves,
  type Position,
  positionsOf,
  type SagaDefinition,
} from "./definition.ts";
import { type DriveContext, drive } from "./drive.ts";
import type { NewSaga } from "./moves.ts";
import type { SagaObserver } from "./observer.ts";
import type { HeldSaga, Move, MoveResult } from "./saga.ts";
import type { SagaStore, Worker } from "./store.ts";
import { type Acquisition, noTracer, type SagaTracer } from "./tracer.ts";

/** The part of its lease after which a worker that was not seen does not trust others' leases. */
const UNSEEN = 0.75;

/** Every time is in milliseconds, and like each limit explained in DEFAULTS. */
export interface EngineOptions {
  readonly store: SagaStore;
  readonly definitions: readonly AnySaga[];
  readonly observer?: SagaObserver;
  readonly tracer?: SagaTracer;
  readonly clock?: Clock;
  /** For people; host and process by default. */
  readonly workerName?: string;
  /**
   * Names this process over its restarts, and no other: a host and port, a pod. When it starts it
   * takes back at once what its earlier life held. None by default: then it waits for the lease of
   * its earlier life, like any other worker.
   */
  readonly instance?: string | undefined;
  readonly leaseMs?: number;
  /** Must be well below the lease, or living workers lose their sagas. */
  readonly heartbeatMs?: number;
  readonly pollMs?: number;
  readonly stepTimeoutMs?: number;
  readonly maxHeld?: number;
  readonly maxHeldPerKey?: number;
  readonly stopGraceMs?: number;
}

/** Drives sagas in this process; any number of processes share one database. */
export interface SagaEngine {
  readonly worker: Worker;
  /** Starts to renew the lease and to claim due sagas. Call it once the service is ready. */
  start(): Promise<void>;
  /**
   * Returns a saga to be stored by the statement that writes its subject (`beginSaga`). Pass it to
   * `drive` once that statement has succeeded. `fairnessKey`: whom it serves; see `HeldSaga`.
   */
  prepare<Input>(
    definition: SagaDefinition<Input>,
    subject: string,
    input: Input,
    fairnessKey?: string,
  ): NewSaga;
  /** How many sagas this process works on. */
  readonly inFlight: number;
  /** Starts to work on a saga that `prepare` made and the database now holds. Returns at once. */
  drive(saga: NewSaga): void;
  /** Looks for due sagas now, because an intervention made one due. */
  wake(): void;
  /** Lets steps in flight finish, at most until `signal` aborts, then releases all sagas. */
  stop(signal?: AbortSignal): Promise<void>;
}

/** Creates the engine of one process. It does nothing until it is started. */
export function createSagaEngine(options: EngineOptions): SagaEngine {
  return new Engine(options);
}

class Engine implements SagaEngine {
  readonly worker: Worker;
  readonly #options: Required<EngineOptions>;
  readonly #definitions: ReadonlyMap<string, AnySaga>;
  readonly #known: readonly Position[];
  /** What this process works on, by saga id. */
  readonly #held = new Map<string, Promise<void>>();
  /** How many of them have each fairness key. */
  readonly #heldByKey = new Map<string, number>();
  /** The keys that were at their limit, until they hold half of it. */
  readonly #atLimit = new Set<string>();
  /** What it worked on when the database failed: still ours in the database, but not driven. */
  readonly #orphaned = new Set<string>();
  /** By the statement that they share. */
  readonly #groups = new WeakMap<ApplyMoves, (move: Move) => Promise<MoveResult>>();
  readonly #stopping = new AbortController();
  readonly #abandon = new AbortController();
  #wake = new AbortController();
  #loops: Promise<unknown> = Promise.resolve();
  #started = false;
  /** When the database last recorded that this worker lives. */
  #seenAt = 0;
  /** Until when it takes nothing over from other workers. */
  #sparingUntil = 0;

  constructor(options: EngineOptions) {
    const leaseMs = options.leaseMs ?? DEFAULTS.leaseMs;
    this.#options = {
      observer: {},
      tracer: noTracer,
      clock: systemClock,
      workerName: `${hostname()}:${process.pid}`,
      instance: undefined,
      ...DEFAULTS,
      heartbeatMs: Math.min(DEFAULTS.heartbeatMs, leaseMs / 4),
      ...options,
    };
    const { workerName, instance = null } = this.#options;
    this.worker = { id: uuidv7(), name: workerName, instance };
    this.#definitions = new Map(
      options.definitions.map((definition) => [definitionKey(definition), definition]),
    );
    this.#known = positionsOf(options.definitions);
    requireDistinct(this.#known);
  }

  async start(): Promise<void> {
    // Other workers must see that this one lives before it holds its first saga.
    await this.#options.store.register(this.worker);
    this.#started = true;
    this.#seenAt = this.#options.clock.now();
    this.#loops = Promise.all([this.#heartbeats(), this.#polls()]);
  }

  prepare<Input>(
    definition: SagaDefinition<Input>,
    subject: string,
    input: Input,
    fairnessKey = "",
  ): NewSaga {
    const [first, second] = definition.steps;
    return {
      id: uuidv7(),
      kind: definition.kind,
      version: definition.version,
      subject,
      input,
      fairnessKey,
      state: "RUNNING",
      step: (second ?? first).name,
      attempt: 0,
      failure: null,
      lastError: null,
      origin: this.#options.tracer.origin(),
      fence: 1n,
      overdue: false,
      owner: this.#hasRoom(fairnessKey) ? this.worker.id : null,
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
    this.#options.observer.onStarted?.(saga);
    if (saga.owner === this.worker.id) this.#take(saga, { isNew: true, takenOver: false });
    else if (this.#hasRoom(saga.fairnessKey)) this.wake();
  }

  wake(): void {
    this.#wake.abort();
  }

  async stop(signal: AbortSignal = new AbortController().signal): Promise<void> {
    const { clock, store, stopGraceMs } = this.#options;
    this.#stopping.abort();
    this.wake();
    await this.#loops;
    const finishing = new AbortController();
    const finished = Promise.all(this.#held.values()).finally(() => finishing.abort());
    await clock.sleep(stopGraceMs, AbortSignal.any([finishing.signal, signal]));
    this.#abandon.abort(new Error("the process is stopping"));
    await finished;
    if (this.#started) await store.release(this.worker).catch(this.#report);
  }

  readonly #move: ApplyMoves = (moves) => this.#options.store.move(moves);

  readonly #applyMove = (apply: ApplyMoves, move: Move): Promise<MoveResult> => {
    const { store, clock } = this.#options;
    let group = this.#groups.get(apply);
    if (group === undefined) {
      group = grouped({
        run: apply,
        keyOf: ({ sagaId }) => sagaId,
        isRolledBack: (error) => store.isRolledBack(error),
        depends: ({ refused }) => refused !== undefined,
        after: (ms, run) => clock.after(ms, run),
      });
      this.#groups.set(apply, group);
    }
    return group(move);
  };

  readonly #report = (error: unknown): void => this.#options.observer.onEngineError?.(error);

  #hasRoom(fairnessKey: string): boolean {
    const { maxHeld, maxHeldPerKey } = this.#options;
    const heldOfKey = this.#heldByKey.get(fairnessKey) ?? 0;
    const isFree = this.#held.size < maxHeld && heldOfKey < maxHeldPerKey;
    return this.#started && !this.#stopping.signal.aborted && isFree;
  }

  /**
   * The empty key is not counted: it has no limit of its own. A key that was at its limit may have
   * a backlog, of which half a share is claimed at a time.
   */
  #countOfKey(key: string, change: 1 | -1): void {
    if (key === "") return;
    const { maxHeldPerKey } = this.#options;
    const sagas = (this.#heldByKey.get(key) ?? 0) + change;
    if (sagas === 0) this.#heldByKey.delete(key);
    else this.#heldByKey.set(key, sagas);
    if (sagas >= maxHeldPerKey) this.#atLimit.add(key);
    else if (sagas <= maxHeldPerKey / 2 && this.#atLimit.delete(key)) this.wake();
  }

  async #heartbeats(): Promise<void> {
    const { clock, store, heartbeatMs } = this.#options;
    while (!this.#stopping.signal.aborted) {
      await clock.sleep(heartbeatMs, this.#stopping.signal);
      await store.heartbeat(this.worker).then(this.#seen, this.#report);
    }
  }

  readonly #seen = (): void => {
    const { clock, leaseMs } = this.#options;
    if (this.#isUnseen()) this.#sparingUntil = clock.now() + leaseMs;
    this.#seenAt = clock.now();
  };

  /** Whether the database or this machine has stood still, so that others may seem dead too. */
  #isUnseen(): boolean {
    const { clock, leaseMs } = this.#options;
    return clock.now() - this.#seenAt > UNSEEN * leaseMs;
  }

  /** A worker that was unseen itself gives the others a lease to be seen again. */
  #isSparing(): boolean {
    return this.#isUnseen() || this.#options.clock.now() < this.#sparingUntil;
  }

  async #polls(): Promise<void> {
    const { clock, pollMs } = this.#options;
    while (!this.#stopping.signal.aborted) {
      this.#wake = new AbortController();
      await this.#claim().catch(this.#report);
      // `stop` wakes it too.
      await clock.sleep(pollMs, this.#wake.signal);
    }
  }

  async #claim(): Promise<void> {
    const { store, leaseMs, maxHeld, maxHeldPerKey } = this.#options;
    const limit = maxHeld - this.#held.size;
    if (limit <= 0) return;
    const [held, orphaned] = [[...this.#held.keys()], [...this.#orphaned]];
    const claimed = await store.claimDue({
      worker: this.worker,
      limit,
      limitPerKey: maxHeldPerKey,
      heldByKey: this.#heldByKey,
      leaseMs,
      sparing: this.#isSparing(),
      known: this.#known,
      held,
      orphaned,
    });
    // Those that were not returned have been taken by others, or have ended.
    for (const id of orphaned) this.#orphaned.delete(id);
    for (const saga of claimed) this.#take(saga, { isNew: false, takenOver: saga.takenOver });
  }

  /**
   * Works on a saga until it leaves this worker. If the database fails, a later poll claims the
   * saga again, as it is stored.
   */
  #take(saga: HeldSaga, acquisition: Acquisition): void {
    const definition = this.#definitions.get(definitionKey(saga));
    if (definition === undefined) return;
    const { store, observer, tracer, clock, stepTimeoutMs } = this.#options;
    observer.onHeld?.(saga, acquisition.takenOver);
    const context: DriveContext = {
      worker: this.worker,
      store,
      clock,
      observer,
      tracer,
      move: this.#move,
      applyMove: this.#applyMove,
      stopping: this.#abandon.signal,
      stepTimeoutMs,
      isNew: acquisition.isNew,
      onReleased: (delayMs) =>
        void clock.sleep(delayMs, this.#stopping.signal).then(() => this.wake()),
    };
    this.#countOfKey(saga.fairnessKey, 1);
    const work: Promise<void> = tracer
      .drive(saga, acquisition, () => drive(definition, saga, context))
      .catch((error) => {
        this.#orphaned.add(saga.id);
        this.#report(error);
      })
      .finally(() => {
        this.#countOfKey(saga.fairnessKey, -1);
        // A claim may have been quicker than this, and the saga is here again.
        if (this.#held.get(saga.id) === work) this.#held.delete(saga.id);
      });
    this.#held.set(saga.id, work);
  }
}

/** A step is found, and its idempotency key made, by its name. */
function requireDistinct(positions: readonly Position[]): void {
  const seen = new Set<string>();
  for (const { kind, version, step } of positions) {
    const position = `${kind} version ${version}, step ${step}`;
    if (seen.has(position)) throw new Error(`${position} is defined twice: rename one of them`);
    seen.add(position);
  }
}

const definitionKey = ({ kind, version }: Pick<AnySaga, "kind" | "version">): string =>
  `${kind}@${version}`;

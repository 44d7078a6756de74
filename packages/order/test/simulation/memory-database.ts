import {
  type Claim,
  type ClaimedSaga,
  type HeldSaga,
  isOpen,
  type Move,
  type MoveResult,
  type NewSaga,
  type OpenState,
  type SagaFailure,
  type SagaState,
  type Worker,
} from "@tercet/saga";
import { CANCEL_ORDER, holdsStockDuring, type OrderStatus, statusDuring } from "../../src/order.ts";
import type { Defect } from "./defects.ts";
import type { Journal } from "./journal.ts";
import { Violation } from "./violation.ts";
import type { VirtualTime } from "./virtual-time.ts";

export interface OrderRow {
  readonly id: string;
  readonly quantity: number;
  readonly amount: bigint;
  status: OrderStatus;
}

export interface SagaRow extends Omit<HeldSaga, "state" | "overdue"> {
  state: SagaState;
  step: string;
  attempt: number;
  failure: SagaFailure | null;
  lastError: string | null;
  fence: bigint;
  resumeState: OpenState | null;
  owner: string | null;
  nextRunAt: number;
  deadlineAt: number;
  updateTime: number;
}

const FORGET_WORKER_MS = 3_600_000;

/**
 * The tables, and one function for each statement of the saga engine and of Order's store. Each
 * happens at one instant; what goes wrong on the way is up to the connection.
 */
export class MemoryDatabase {
  readonly orders = new Map<string, OrderRow>();
  /** Those that place orders, by order: each has one. */
  readonly sagas = new Map<string, SagaRow>();
  /** Those that cancel confirmed orders, by order. */
  readonly cancellations = new Map<string, SagaRow>();
  /** Orders for which there was not enough stock when nothing else was asked for. */
  readonly refusedAlone = new Set<string>();
  readonly #refusedAmongOthers = new Set<string>();
  readonly #workers = new Map<string, number>();
  /** All workers that ever started. */
  readonly #instances = new Set<Worker>();
  stock: number;
  readonly #time: VirtualTime;
  readonly #journal: Journal;
  readonly #defect: Defect | undefined;

  constructor(stock: number, time: VirtualTime, journal: Journal, defect: Defect | undefined) {
    this.stock = stock;
    this.#time = time;
    this.#journal = journal;
    this.#defect = defect;
  }

  /** Ends the leases of earlier lives of the same instance, living or not. */
  register(worker: Worker): void {
    for (const { id, instance } of this.#instances)
      if (instance === worker.instance && id !== worker.id) this.#workers.delete(id);
    this.#instances.add(worker);
    this.heartbeat(worker);
  }

  heartbeat(worker: Worker): void {
    for (const [id, seenAt] of this.#workers)
      if (seenAt < this.#time.now - FORGET_WORKER_MS) this.#workers.delete(id);
    this.#workers.set(worker.id, this.#time.now);
  }

  claimDue(claim: Claim): readonly ClaimedSaga[] {
    const { worker, limit, limitPerKey, heldByKey, leaseMs, sparing, known, held, orphaned } =
      claim;
    const now = this.#time.now;
    const mayTake = (saga: SagaRow): boolean => {
      if (saga.owner === worker.id)
        return (
          !held.includes(saga.id) && (orphaned.includes(saga.id) || saga.updateTime < now - leaseMs)
        );
      const seenAt = saga.owner === null ? undefined : this.#workers.get(saga.owner);
      return seenAt === undefined || (!sparing && seenAt <= now - leaseMs);
    };
    const due = [...this.#allSagas()]
      .filter(
        (saga) =>
          isOpen(saga.state) &&
          saga.nextRunAt <= now &&
          known.some(
            ({ kind, version, step }) =>
              kind === saga.kind && version === saga.version && step === saga.step,
          ),
      )
      .filter(mayTake);
    due.sort((a, b) => a.nextRunAt - b.nextRunAt);
    const turns = new Map(heldByKey);
    const ranked = due.map((saga) => {
      const turn = (turns.get(saga.fairnessKey) ?? 0) + 1;
      turns.set(saga.fairnessKey, turn);
      return { saga, turn };
    });
    return ranked
      .filter(({ saga, turn }) => saga.fairnessKey === "" || turn <= limitPerKey)
      .sort((a, b) => a.turn - b.turn)
      .slice(0, limit)
      .map(({ saga }) => this.#claim(saga, worker));
  }

  #claim(saga: SagaRow, worker: Worker): ClaimedSaga {
    const takenOver = saga.owner !== null && saga.owner !== worker.id;
    if (takenOver) this.#journal.saw("taken over from a worker that is gone");
    const isOwn = [...this.#instances].some(
      ({ id, instance }) => id === saga.owner && takenOver && instance === worker.instance,
    );
    if (isOwn) this.#journal.saw("taken back by the next life of its instance");
    if (saga.owner === worker.id) this.#journal.saw("taken up again by its own worker");
    saga.owner = worker.id;
    const keepsFence =
      this.#defect === "take-over keeps the fence" ||
      (this.#defect === "taking back keeps the fence" && isOwn);
    if (!keepsFence) saga.fence++;
    saga.updateTime = this.#time.now;
    return {
      ...saga,
      state: saga.state as OpenState,
      overdue: saga.deadlineAt <= this.#time.now,
      takenOver,
    };
  }

  release(worker: Worker): void {
    this.#workers.delete(worker.id);
    for (const saga of this.#allSagas()) {
      if (saga.owner !== worker.id || !isOpen(saga.state)) continue;
      saga.owner = null;
      saga.nextRunAt = Math.min(saga.nextRunAt, this.#time.now);
      saga.updateTime = this.#time.now;
    }
  }

  move(moves: readonly Move[], worker: Worker): readonly MoveResult[] {
    return moves.map((move) => ({
      sagaId: move.sagaId,
      moved: this.#advance(move, worker) !== undefined,
    }));
  }

  insertOrder(order: OrderRow, saga: NewSaga): boolean {
    if (this.orders.has(order.id)) return false;
    this.orders.set(order.id, { ...order });
    this.sagas.set(order.id, this.#begun(saga));
    return true;
  }

  /** Begins to cancel a confirmed order. */
  cancelConfirmed(orderId: string, saga: NewSaga): boolean {
    const order = this.orders.get(orderId);
    if (order?.status !== "CONFIRMED") return false;
    order.status = "CANCELLING";
    this.cancellations.set(orderId, this.#begun(saga));
    this.#journal.saw("confirmed order cancelled");
    return true;
  }

  #begun({ deadlineMs, event: _, overdue: __, ...saga }: NewSaga): SagaRow {
    const { now } = this.#time;
    return {
      ...saga,
      resumeState: null,
      nextRunAt: now,
      deadlineAt: now + deadlineMs,
      updateTime: now,
    };
  }

  /**
   * Takes the stock and confirms, or refuses if there is too little. The orders of one call take in
   * turn, and one that is refused counts for those after it.
   */
  confirm(moves: readonly Move[], worker: Worker): readonly MoveResult[] {
    const { stock } = this;
    let needed = 0;
    return moves.map((move) => {
      const saga = this.#saga(move);
      const order = this.#order(saga);
      const { sagaId } = move;
      if (saga.fence === move.fence) needed += order.quantity;
      if (saga.fence === move.fence && (needed > stock || this.#isRefusedAnyway(order))) {
        this.#noteRefusal(order, moves.length);
        return {
          sagaId,
          moved: false,
          refused: { reason: "OUT_OF_STOCK", message: "there is not enough stock" },
        };
      }
      if (this.#advance(move, worker) === undefined) return { sagaId, moved: false };
      this.stock -= order.quantity;
      order.status = "CONFIRMED";
      return { sagaId, moved: true };
    });
  }

  #noteRefusal({ id, quantity }: OrderRow, moves: number): void {
    if (moves > 1) this.#journal.saw("stock refused in a group");
    if (moves > 1) this.#refusedAmongOthers.add(id);
    else if (quantity > this.stock) this.refusedAlone.add(id);
  }

  #isRefusedAnyway({ id }: OrderRow): boolean {
    return (
      this.#defect === "stock refused for the neighbours' sake" && this.#refusedAmongOthers.has(id)
    );
  }

  /** Ends orders whose saga has undone everything. */
  close(moves: readonly Move[], worker: Worker): readonly MoveResult[] {
    return this.#changing(moves, worker, (saga) =>
      saga.failure?.reason === "PAYMENT_DECLINED" ? "REJECTED" : "CANCELLED",
    );
  }

  /** Returns the stock and ends the cancellation. */
  restock(moves: readonly Move[], worker: Worker): readonly MoveResult[] {
    return moves.map((move) => {
      const order = this.#order(this.#saga(move));
      const moved = this.#advance(move, worker) !== undefined;
      if (moved || this.#defect === "stock returned without its saga") this.stock += order.quantity;
      if (moved) order.status = "CANCELLED";
      return { sagaId: move.sagaId, moved };
    });
  }

  /** Compensating, parking, resuming, resolving: the order shows what its saga is doing. */
  reflect(moves: readonly Move[], worker: Worker | undefined): readonly MoveResult[] {
    return this.#changing(moves, worker, ({ kind, state, subject }) => {
      // Sagas of Order end by their own steps.
      if (state === "COMPLETED" || state === "COMPENSATED")
        throw new Violation("I8", "a saga ended without its order");
      if (state === "RESOLVED") this.#onResolved(kind, subject);
      return statusDuring(kind, state);
    });
  }

  #onResolved(kind: string, orderId: string): void {
    this.#journal.saw(`${kind} resolved by an operator`);
    if (!holdsStockDuring(kind) || this.#defect === "stock kept by a resolution") return;
    this.stock += this.orders.get(orderId)?.quantity ?? 0;
  }

  #changing(
    moves: readonly Move[],
    worker: Worker | undefined,
    status: (saga: SagaRow) => OrderStatus,
  ): readonly MoveResult[] {
    return moves.map((move) => {
      const saga = this.#advance(move, worker);
      const written =
        saga ?? (this.#defect === "order written without its saga" ? this.#saga(move) : undefined);
      if (written !== undefined) this.#order(written).status = status(written);
      return { sagaId: move.sagaId, moved: saga !== undefined };
    });
  }

  /** The counterpart of `advance`. An intervention comes from no worker. */
  #advance(move: Move, worker: Worker | undefined): SagaRow | undefined {
    const saga = this.#saga(move);
    const fenced = saga.fence !== move.fence;
    if (fenced) this.#journal.saw("write fenced");
    if ((fenced && this.#defect !== "missing fence") || saga.state !== move.from) return undefined;
    // Detected by the owner and not only by the fence: a fence that was not raised shows nothing.
    const foreign = worker !== undefined && saga.owner !== null && saga.owner !== worker.id;
    if (fenced || foreign)
      throw new Violation(
        "I7",
        `a write under a stale fence took effect: ${move.from} to ${move.state}`,
      );
    const now = this.#time.now;
    saga.state = move.state;
    saga.resumeState = move.resumeState;
    saga.step = move.step ?? saga.step;
    saga.attempt = move.attempt;
    saga.failure = move.failure ?? saga.failure;
    saga.lastError = move.lastError ?? saga.lastError;
    if (move.budgetMs !== null) saga.deadlineAt = now + move.budgetMs;
    saga.nextRunAt = now + move.delayMs;
    if (move.state === "NEEDS_ATTENTION" && saga.kind === CANCEL_ORDER)
      this.#journal.saw("cancellation parked");
    if (move.release) saga.owner = null;
    if (move.bumpFence) saga.fence++;
    saga.updateTime = now;
    return saga;
  }

  #saga(move: Move): SagaRow {
    for (const saga of this.#allSagas()) if (saga.id === move.sagaId) return saga;
    throw new Violation("I8", "a move of a saga that does not exist");
  }

  *#allSagas(): Generator<SagaRow> {
    yield* this.sagas.values();
    yield* this.cancellations.values();
  }

  #order(saga: SagaRow): OrderRow {
    const order = this.orders.get(saga.subject);
    if (order === undefined) throw new Violation("I8", "a saga without its order");
    return order;
  }
}

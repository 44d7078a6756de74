import type { SagaState } from "@tercet/saga";
import { type OrderStatus, TRANSITIONS } from "../../src/order.ts";
import type { Book } from "./book.ts";
import type { Journal } from "./journal.ts";
import type { MemoryDatabase, OrderRow } from "./memory-database.ts";
import { Violation } from "./violation.ts";

/** The order's possible statuses, by the state of the saga that places it. */
const STATUSES_DURING: Readonly<Record<SagaState, readonly OrderStatus[]>> = {
  RUNNING: ["PENDING"],
  COMPENSATING: ["CANCELLING"],
  COMPLETED: ["CONFIRMED"],
  COMPENSATED: ["REJECTED", "CANCELLED"],
  NEEDS_ATTENTION: ["NEEDS_ATTENTION"],
  RESOLVED: ["CANCELLED"],
};

/** The order's status, by the state of the saga that cancels it; that one only goes forward. */
const STATUS_DURING_CANCELLATION: Readonly<Partial<Record<SagaState, OrderStatus>>> = {
  RUNNING: "CANCELLING",
  COMPLETED: "CANCELLED",
  RESOLVED: "CANCELLED",
  NEEDS_ATTENTION: "NEEDS_ATTENTION",
};

/** It does not change by itself any more. */
export const isClosed = (status: OrderStatus): boolean =>
  status === "CONFIRMED" || TRANSITIONS[status].length === 0;

/** What must hold at every instant. */
export class Invariants {
  readonly #database: MemoryDatabase;
  readonly #book: Book;
  readonly #journal: Journal;
  readonly #initialStock: number;
  readonly #seen = new Map<string, OrderStatus>();

  constructor(database: MemoryDatabase, book: Book, journal: Journal) {
    this.#database = database;
    this.#book = book;
    this.#journal = journal;
    this.#initialStock = database.stock;
  }

  check(): void {
    let kept = 0n;
    let confirmed = 0n;
    let sold = 0;
    for (const order of this.#database.orders.values()) {
      this.#checkHistory(order);
      this.#checkSaga(order);
      kept += this.#checkMoney(order);
      if (order.status === "CONFIRMED") confirmed += order.amount;
      if (this.#holdsStock(order)) sold += order.quantity;
    }
    if (kept < confirmed)
      throw new Violation("I12", `${kept} is captured net, ${confirmed} is confirmed`);
    const { stock } = this.#database;
    if (stock < 0 || stock !== this.#initialStock - sold)
      throw new Violation("stock", `${stock} of ${this.#initialStock}, ${sold} sold`);
  }

  /** What must hold when nothing is left to happen. */
  checkEnd(): void {
    this.check();
    let kept = 0n;
    for (const [id, { captured, refunded }] of this.#book.accounts)
      if (!this.#isResolved(id)) kept += captured - refunded;
    let confirmed = 0n;
    for (const { id, status, amount } of this.#database.orders.values()) {
      if (!isClosed(status)) throw new Violation("I3", `${id} is ${status} at the end`);
      if (status === "CONFIRMED") confirmed += amount;
    }
    if (kept !== confirmed)
      throw new Violation("I1", `${kept} is captured net, ${confirmed} is confirmed, at the end`);
  }

  #checkHistory({ id, status }: OrderRow): void {
    const before = this.#seen.get(id) ?? "PENDING";
    if (before === status) return;
    this.#seen.set(id, status);
    this.#journal.note(`${id} ${status}`);
    this.#journal.saw(status);
    const reason = this.#database.sagas.get(id)?.failure?.reason;
    if (reason === "OUT_OF_STOCK" && !this.#database.refusedAlone.has(id))
      throw new Violation("stock", `${id} was refused for others of its group`);
    if (!TRANSITIONS[before].includes(status))
      throw new Violation("I6", `${id} went from ${before} to ${status}`);
  }

  #checkSaga({ id, status }: OrderRow): void {
    const placing = this.#database.sagas.get(id)?.state;
    const cancelling = this.#database.cancellations.get(id)?.state;
    const agreed =
      cancelling === undefined
        ? placing !== undefined && STATUSES_DURING[placing].includes(status)
        : placing === "COMPLETED" && STATUS_DURING_CANCELLATION[cancelling] === status;
    if (!agreed)
      throw new Violation("I8", `${id} is ${status}, its sagas ${placing} and ${cancelling}`);
  }

  /** From its confirmation until its cancellation has ended. */
  #holdsStock({ id, status }: OrderRow): boolean {
    const cancelling = this.#database.cancellations.get(id)?.state;
    return (
      status === "CONFIRMED" ||
      (cancelling !== undefined && cancelling !== "COMPLETED" && cancelling !== "RESOLVED")
    );
  }

  /** What the provider still holds of it, an operator settled outside. */
  #isResolved(id: string): boolean {
    return [this.#database.sagas, this.#database.cancellations].some(
      (sagas) => sagas.get(id)?.state === "RESOLVED",
    );
  }

  /**
   * Returns the captured amount minus refunds. Closed orders are exact: none is CANCELLED before
   * its money is back.
   */
  #checkMoney({ id, status, amount }: OrderRow): bigint {
    const { captures, refunds, captured, refunded } = this.#book.account(id);
    const kept = captured - refunded;
    if (captures > 1 || refunds > 1 || kept < 0n)
      throw new Violation("I2", `${id} has ${captures} captures and ${refunds} refunds`);
    if (!isClosed(status) || this.#isResolved(id)) return kept;
    const due = status === "CONFIRMED" ? amount : 0n;
    if (kept < due)
      throw new Violation("I12", `${id} is ${status}, and ${kept} of ${due} is captured net`);
    if (kept > due)
      throw new Violation(
        "I1",
        `${id} is ${status}, and ${kept} is captured net instead of ${due}`,
      );
    return kept;
  }
}

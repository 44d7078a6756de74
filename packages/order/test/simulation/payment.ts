import type { Book } from "./book.ts";
import type { Defect } from "./defects.ts";
import type { Journal } from "./journal.ts";
import { FAULTS_END_MS, type Profile } from "./profile.ts";
import type { Random } from "./random.ts";
import type { VirtualTime } from "./virtual-time.ts";

type PaymentStatus = "PENDING" | "SUCCEEDED" | "DECLINED" | "ABANDONED" | "REFUNDED" | "VOIDED";
/** IN_PROGRESS: not now. UNAVAILABLE: the outcome is unknown. */
export type Answer = PaymentStatus | "IN_PROGRESS" | "UNAVAILABLE";
export type Reply = (answer: Answer) => void;

export interface Charge {
  readonly paymentId: string;
  readonly orderId: string;
  readonly amount: bigint;
  readonly declined: boolean;
}

export interface Refund {
  readonly paymentId: string;
  readonly refundId: string;
}

interface PaymentRecord {
  status: PaymentStatus;
  /** When a charge was last requested. */
  requestedAt: number;
}

/** A call to the provider arrives within this time, or not at all. */
const PROVIDER_MS = 800;
/** A payment whose charge was not requested for this long is not on its way to the provider. */
const IDLE_MS = 2_000;

export interface PaymentDependencies {
  readonly time: VirtualTime;
  readonly random: Random;
  readonly profile: Profile;
  readonly book: Book;
  readonly journal: Journal;
  readonly defect: Defect | undefined;
}

/**
 * A model of the Payment service: a record for each payment, and a slow provider. A restart loses
 * calls in flight, and nothing else.
 */
export class PaymentModel {
  readonly #records = new Map<string, PaymentRecord>();
  /** Ids of payments whose refund fails until an operator repairs it. */
  readonly refundsFail = new Set<string>();
  #starts = 0;
  #downUntil = 0;
  readonly #deps: PaymentDependencies;

  constructor(deps: PaymentDependencies) {
    this.#deps = deps;
  }

  restart(downMs: number): void {
    this.#starts++;
    this.#downUntil = this.#deps.time.now + downMs;
  }

  charge(charge: Charge, reply: Reply): void {
    this.#answer(
      `charge ${charge.orderId}`,
      this.#isDown() ? "UNAVAILABLE" : this.#charge(charge, reply),
      reply,
    );
  }

  refund(refund: Refund, reply: Reply): void {
    this.#answer(
      `refund ${refund.paymentId}`,
      this.#isDown() ? "UNAVAILABLE" : this.#refund(refund, reply),
      reply,
    );
  }

  #answer(request: string, answer: Answer | undefined, reply: Reply): void {
    this.#deps.journal.note(`payment gets ${request}: ${answer ?? "calls the provider"}`);
    if (answer !== undefined) reply(answer);
  }

  /** Returns the answer if the provider is not needed for it. */
  #charge({ paymentId, orderId, amount, declined }: Charge, reply: Reply): Answer | undefined {
    const { time, book, journal } = this.#deps;
    const record: PaymentRecord = this.#records.get(paymentId) ?? {
      status: "PENDING",
      requestedAt: time.now,
    };
    this.#records.set(paymentId, record);
    if (record.status === "VOIDED") journal.saw("late charge refused");
    if (record.status !== "PENDING") return record.status;
    record.requestedAt = time.now;
    const move = () => {
      if (!declined) book.capture(paymentId, orderId, amount);
    };
    this.#atProvider(move, reply, () => {
      if (record.status === "PENDING") record.status = declined ? "DECLINED" : "SUCCEEDED";
      reply(record.status);
    });
    return undefined;
  }

  #refund({ paymentId, refundId }: Refund, reply: Reply): Answer | undefined {
    const { book, defect } = this.#deps;
    const record = this.#records.get(paymentId);
    if (record === undefined) return this.#void(paymentId);
    if (record.status === "PENDING") this.#settlePending(paymentId, record);
    if (record.status === "PENDING") return "IN_PROGRESS";
    if (record.status !== "SUCCEEDED") return record.status;
    if (this.refundsFail.has(paymentId)) return "UNAVAILABLE";
    const early = defect === "refund marked done before the money moved";
    if (early) record.status = "REFUNDED";
    this.#atProvider(
      () => book.refund(refundId, paymentId),
      reply,
      () => {
        record.status = "REFUNDED";
        reply("REFUNDED");
      },
    );
    return early ? "REFUNDED" : undefined;
  }

  #isDown(): boolean {
    return this.#deps.time.now < this.#downUntil;
  }

  /** Reads the outcome of the charge from the provider; abandons a charge that never reaches it. */
  #settlePending(paymentId: string, record: PaymentRecord): void {
    const { time, book, journal } = this.#deps;
    if (book.has(paymentId)) record.status = "SUCCEEDED";
    else if (time.now - record.requestedAt >= IDLE_MS) {
      journal.saw("charge abandoned");
      record.status = "ABANDONED";
    }
  }

  /**
   * A refund before its charge leaves a tombstone, so that the charge is refused when it arrives.
   */
  #void(paymentId: string): Answer {
    const { defect, journal, time } = this.#deps;
    journal.saw("tombstone");
    if (defect !== "lost tombstone")
      this.#records.set(paymentId, { status: "VOIDED", requestedAt: time.now });
    return "VOIDED";
  }

  /** The provider moves money at one instant; Payment gets the reply later, unless it restarted. */
  #atProvider(move: () => void, reply: Reply, done: () => void): void {
    const { time, random, profile } = this.#deps;
    const starts = this.#starts;
    time.after(random.skewed(5, PROVIDER_MS), () => {
      const failed = time.now < FAULTS_END_MS && random.chance(profile.providerFails);
      if (!failed) move();
      time.after(random.skewed(5, PROVIDER_MS), () => {
        if (starts !== this.#starts) return;
        if (failed) reply("UNAVAILABLE");
        else done();
      });
    });
  }
}

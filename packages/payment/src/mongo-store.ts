import { SchemaBehindError } from "@tercet/service";
import {
  type Collection,
  type Filter,
  MongoClient,
  MongoServerError,
  type UpdateFilter,
} from "mongodb";
import {
  eventKey,
  fromDocument,
  type PaymentDocument,
  refundPath,
  timeField,
} from "./mongo-document.ts";
import { reach } from "./mongo-errors.ts";
import { observeMongo } from "./mongo-telemetry.ts";
import { addRefund, toUpdate, type Write } from "./mongo-update.ts";
import {
  type Charge,
  type ChargeOutcome,
  isCaptured,
  type Payment,
  type RefundRequest,
  refundedMinorUnits,
  refundedStatus,
  settledStatus,
} from "./payment.ts";
import {
  type Change,
  type PageKey,
  type PaymentFilter,
  type PaymentStore,
  UnknownPaymentError,
} from "./store.ts";

const TIMEOUT_MS = 2_000;
const SLOW_TIMEOUT_MS = 5_000;
const DUPLICATE_KEY = 11_000;
const NAMESPACE_NOT_FOUND = 26;
const INDEXES: readonly Readonly<Record<string, 1 | -1>>[] = [
  { createTime: -1, _id: -1 },
  { orderId: 1 },
  { customerId: 1, createTime: -1, _id: -1 },
  { openWork: 1, attemptTime: 1 },
  { watched: 1, attemptTime: 1 },
];

/**
 * What must hold of the document, by path: paths into `refunds` are made from ids, which the
 * driver's types cannot follow.
 */
type Condition = Readonly<Record<string, unknown>>;

/**
 * Payments in MongoDB, one document each. Every change is one conditional update of one document,
 * acknowledged by a majority that has it in its journal. Classic operators only, no pipelines:
 * servers that merely speak MongoDB's protocol run them too.
 */
export class MongoPaymentStore implements PaymentStore {
  readonly #client: MongoClient;
  readonly #payments: Collection<PaymentDocument>;

  private constructor(client: MongoClient) {
    this.#client = client;
    this.#payments = client.db().collection("payments");
  }

  /**
   * Connects to the database that the URL names and makes its indexes; or, where a job does that,
   * throws SchemaBehindError when there are not all of them. Rejects when the server does not
   * answer within 2 s.
   */
  static async connect(
    url: string,
    { migrate = true }: { readonly migrate?: boolean } = {},
  ): Promise<MongoPaymentStore> {
    const client = new MongoClient(url, {
      appName: "payment",
      monitorCommands: true,
      useBigInt64: true,
      writeConcern: { w: "majority", journal: true, wtimeoutMS: SLOW_TIMEOUT_MS },
      // Every wait is bounded; by default the driver waits 30 s for a server, and for ever for an
      // answer.
      serverSelectionTimeoutMS: TIMEOUT_MS,
      connectTimeoutMS: TIMEOUT_MS,
      waitQueueTimeoutMS: TIMEOUT_MS,
      socketTimeoutMS: SLOW_TIMEOUT_MS,
    });
    observeMongo(client);
    const store = new MongoPaymentStore(client);
    try {
      await (migrate ? store.#createIndexes() : store.#requireIndexes());
    } catch (error) {
      await client.close();
      throw error;
    }
    return store;
  }

  async #createIndexes(): Promise<void> {
    await this.#payments.createIndexes(INDEXES.map((key) => ({ key })));
  }

  async #requireIndexes(): Promise<void> {
    const there = await this.#payments.indexes().catch((error: unknown) => {
      if (error instanceof MongoServerError && error.code === NAMESPACE_NOT_FOUND) return [];
      throw error;
    });
    // As text: the order of an index's fields is part of it.
    const keys = new Set(there.map(({ key }) => JSON.stringify(key)));
    const missing = INDEXES.map((key) => JSON.stringify(key)).filter((key) => !keys.has(key));
    if (missing.length > 0) throw new SchemaBehindError(missing.map((key) => `the index ${key}`));
  }

  async open(id: string, charge: Charge): Promise<Change> {
    const { orderId, customerId, amount, fingerprint } = charge;
    const fields = {
      status: "PENDING",
      orderId,
      customerId,
      ...amount,
      fingerprint,
      openWork: 1,
    } as const;
    const opened = await this.#insert(id, fields, "CHARGE_REQUESTED", "");
    if (opened !== undefined) return { payment: opened, changed: true };
    // The write makes sure that the intent is on a majority before anybody charges for it: a read
    // alone could see what a failover takes back.
    return {
      ...(await this.#change(
        id,
        { status: "PENDING" },
        { events: {}, now: ["attemptTime", "chargeTime"] },
      )),
      changed: false,
    };
  }

  async settle(id: string, outcome: ChargeOutcome): Promise<Change> {
    const approved = outcome.outcome === "approved";
    return this.#change(
      id,
      { status: "PENDING" },
      {
        set: {
          status: settledStatus(outcome),
          ...(approved
            ? { providerReference: outcome.reference }
            : { declineReason: outcome.reason }),
        },
        add: { openWork: -1 },
        events: approved
          ? { CHARGE_SUCCEEDED: outcome.reference }
          : { CHARGE_DECLINED: outcome.reason },
      },
    );
  }

  async abandon(id: string, unattendedMs: number): Promise<Change> {
    return this.#change(
      id,
      { status: "PENDING", chargeTime: { $lt: await this.#serverTime(-unattendedMs) } },
      {
        set: { status: "DECLINED", declineReason: "ABANDONED", watched: true },
        add: { openWork: -1 },
        events: { CHARGE_DECLINED: "ABANDONED" },
        now: ["attemptTime"],
      },
    );
  }

  async void(id: string, reason: string): Promise<Change> {
    const voided = await this.#insert(id, { status: "VOIDED", openWork: 0 }, "VOIDED", reason);
    return voided === undefined
      ? { payment: await this.#known(id), changed: false }
      : { payment: voided, changed: true };
  }

  async recordLateCharge(id: string, reference: string, refund: RefundRequest): Promise<Change> {
    const { set, add, events } = addRefund(refund);
    return this.#change(
      id,
      { status: { $in: ["DECLINED", "VOIDED"] }, [refundPath(refund.id)]: { $exists: false } },
      {
        set: { ...set, providerReference: reference, watched: false },
        add,
        events: { CHARGE_SUCCEEDED: reference, ...events },
        now: ["attemptTime"],
      },
    );
  }

  async reserveRefund(id: string, refund: RefundRequest): Promise<Change> {
    const payment = await this.#known(id);
    if (!isCaptured(payment) || payment.charge === undefined) return { payment, changed: false };
    // The capture never changes, so the bound computed from it holds whatever happens between the
    // read and the write.
    const room = payment.charge.amount.minorUnits - refund.minorUnits;
    return this.#change(
      id,
      { [refundPath(refund.id)]: { $exists: false }, reservedMinorUnits: { $lte: room } },
      { ...addRefund(refund), now: ["attemptTime"] },
    );
  }

  async settleRefund(id: string, refundId: string): Promise<Change> {
    // Ends: a round is lost only to another refund of the payment that was settled meanwhile.
    for (;;) {
      const payment = await this.#known(id);
      const refund = payment.refunds.find((candidate) => candidate.id === refundId);
      if (refund?.status !== "PENDING" || payment.charge === undefined)
        return { payment, changed: false };
      const seen = refundedMinorUnits(payment);
      const status = refundedStatus(
        payment.status,
        payment.charge.amount.minorUnits,
        seen + refund.minorUnits,
      );
      const change = await this.#change(
        id,
        { [refundPath(refundId, "status")]: "PENDING", refundedMinorUnits: seen },
        {
          set: { status, [refundPath(refundId, "status")]: "SUCCEEDED" },
          add: { refundedMinorUnits: refund.minorUnits, openWork: -1 },
          events: { [eventKey("REFUND_SUCCEEDED", refundId)]: refundId },
        },
      );
      if (change.changed) return change;
    }
  }

  async markAttempted(id: string): Promise<void> {
    await reach(this.#payments.updateOne({ _id: id }, { $currentDate: { attemptTime: true } }));
  }

  async keepWatch(id: string, forMs: number): Promise<void> {
    const long = { _id: id, watched: true, updateTime: { $lt: await this.#serverTime(-forMs) } };
    const { matchedCount } = await reach(
      this.#payments.updateOne(long, { $set: { watched: false } }),
    );
    if (matchedCount === 0) await this.markAttempted(id);
  }

  async get(id: string): Promise<Payment | undefined> {
    const document = await reach(this.#payments.findOne({ _id: id }));
    return document === null ? undefined : fromDocument(document);
  }

  async list(filter: PaymentFilter, after: PageKey | undefined, limit: number): Promise<Payment[]> {
    const where: Filter<PaymentDocument> = Object.fromEntries(
      Object.entries(filter).filter(([, value]) => value !== undefined),
    );
    if (after !== undefined)
      where.$or = [
        { createTime: { $lt: after.createTime } },
        { createTime: after.createTime, _id: { $lt: after.id } },
      ];
    const cursor = this.#payments.find(where).sort({ createTime: -1, _id: -1 }).limit(limit);
    return (await reach(cursor.toArray())).map((document) => ({
      ...fromDocument(document),
      events: [],
    }));
  }

  async pendingSince(ageMs: number, limit: number): Promise<Payment[]> {
    return this.#unattended({ openWork: { $gt: 0 } }, ageMs, limit);
  }

  async watchedSince(ageMs: number, limit: number): Promise<Payment[]> {
    return this.#unattended({ watched: true }, ageMs, limit);
  }

  async ping(): Promise<void> {
    await reach(this.#client.db().command({ ping: 1 }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client.close();
  }

  /**
   * The server's clock, moved by `offsetMs`: ages are never measured by the clock of this process.
   */
  async #serverTime(offsetMs: number): Promise<Date> {
    const { localTime } = await reach(this.#client.db().command({ hello: 1 }));
    return new Date((localTime as Date).getTime() + offsetMs);
  }

  async #unattended(
    which: Filter<PaymentDocument>,
    ageMs: number,
    limit: number,
  ): Promise<Payment[]> {
    const unattended = { ...which, attemptTime: { $lt: await this.#serverTime(-ageMs) } };
    return (
      await reach(this.#payments.find(unattended).sort({ attemptTime: 1 }).limit(limit).toArray())
    ).map(fromDocument);
  }

  async #known(id: string): Promise<Payment> {
    const payment = await this.get(id);
    if (payment === undefined) throw new UnknownPaymentError(id);
    return payment;
  }

  /**
   * Undefined when the payment was there. An upsert, because only an update can take the server's
   * time; its condition holds for no document that exists.
   */
  async #insert(
    id: string,
    fields: Partial<PaymentDocument>,
    event: string,
    detail: string,
  ): Promise<Payment | undefined> {
    const absent: Filter<PaymentDocument> = { _id: id, createTime: { $exists: false } };
    const $setOnInsert = {
      ...fields,
      reservedMinorUnits: 0n,
      refundedMinorUnits: 0n,
      refunds: {},
      events: { [event]: detail },
    };
    const $currentDate = {
      createTime: true,
      updateTime: true,
      attemptTime: true,
      chargeTime: true,
      [timeField(event)]: true,
    } as const;
    try {
      const options = { upsert: true, returnDocument: "after" } as const;
      const document = await reach(
        this.#payments.findOneAndUpdate(
          absent,
          { $setOnInsert, $currentDate } as UpdateFilter<PaymentDocument>,
          options,
        ),
      );
      return document === null ? undefined : fromDocument(document);
    } catch (error) {
      if (error instanceof MongoServerError && error.code === DUPLICATE_KEY) return undefined;
      throw error;
    }
  }

  async #change(id: string, condition: Condition, write: Write): Promise<Change> {
    const document = await reach(
      this.#payments.findOneAndUpdate(
        { ...condition, _id: id } as Filter<PaymentDocument>,
        toUpdate(write),
        { returnDocument: "after" },
      ),
    );
    return document === null
      ? { payment: await this.#known(id), changed: false }
      : { payment: fromDocument(document), changed: true };
  }
}

import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import type { Charge, ChargeOutcome, NewRefund, Payment } from "./payment.ts";
import { type PaymentStore, UnknownPaymentError } from "./store.ts";

const APPROVED: ChargeOutcome = { outcome: "approved", reference: "ch_1" };
const uuid = () => crypto.randomUUID();
const aCharge = (minorUnits = 1_000n): Charge => ({
  orderId: uuid(),
  customerId: uuid(),
  amount: { currencyCode: "EUR", minorUnits },
  fingerprint: "f",
});
const aRefund = (minorUnits: bigint): NewRefund => ({
  id: uuid(),
  amount: { currencyCode: "EUR", minorUnits },
  reason: "broken",
  fingerprint: "r",
});
const eventTypes = (payment: Payment) => payment.events.map(({ type }) => type);
const sum = (payment: Payment) =>
  payment.refunds.reduce((total, { amount }) => total + amount.minorUnits, 0n);

async function captured(store: PaymentStore, minorUnits = 1_000n): Promise<string> {
  const id = uuid();
  await store.open(id, aCharge(minorUnits));
  await store.settle(id, APPROVED);
  return id;
}

async function reserved(store: PaymentStore, id: string, minorUnits = 10n): Promise<NewRefund> {
  const refund = aRefund(minorUnits);
  await store.reserveRefund(id, refund);
  return refund;
}

/** A database belongs to the first system whose service opens it. */
export function ownershipContract(
  open: (systemId: string | undefined) => Promise<PaymentStore>,
): void {
  test("a database is one system's; a service of another one refuses it", async () => {
    // From outside, a database is opened as no system.
    await using outside = await open(undefined);
    expect(await outside.findSystem()).toBeUndefined();
    const first = await Promise.allSettled(["a", "b", "a", "b"].map(open));
    const owner = await outside.findSystem();
    const other = owner === "a" ? "b" : "a";
    for (const opened of first) {
      if (opened.status === "fulfilled") await opened.value[Symbol.asyncDispose]();
      else
        expect(opened.reason).toMatchObject({
          name: "ForeignDatabaseError",
          message: expect.stringMatching(
            `the database belongs to the system "${owner}", and this service to "${other}": .*SYSTEM_ID=${owner}`,
          ),
        });
    }
    expect(first.map(({ status }) => status)).toEqual(
      ["a", "b", "a", "b"].map((id) => (id === owner ? "fulfilled" : "rejected")),
    );
    await using again = await open(owner);
    expect(await again.findSystem()).toBe(owner);
  });
}

/** What every PaymentStore does in sequential calls. */
export function functionalContract(open: () => Promise<PaymentStore>): void {
  describe("sequential calls", () => {
    let store: PaymentStore;
    beforeAll(async () => {
      store = await open();
    });
    afterAll(() => store?.[Symbol.asyncDispose]());

    test("a new payment is PENDING and starts its audit trail", async () => {
      const id = uuid();
      const charge = aCharge(2n ** 53n + 1n);
      const { payment, changed } = await store.open(id, charge);
      expect(changed).toBe(true);
      expect(payment).toMatchObject({
        id,
        status: "PENDING",
        charge,
        refunds: [],
        declineReason: undefined,
        providerReference: undefined,
      });
      expect(eventTypes(payment)).toEqual(["CHARGE_REQUESTED"]);
      expect(await store.get(id)).toEqual(payment);
    });

    test("opening again changes nothing and returns the existing payment", async () => {
      const id = uuid();
      const first = await store.open(id, aCharge());
      const again = await store.open(id, { ...aCharge(5n), fingerprint: "other" });
      expect(again).toEqual({ payment: first.payment, changed: false });
    });

    test("times are current", async () => {
      const { payment } = await store.open(uuid(), aCharge());
      expect(Math.abs(payment.createTime.getTime() - Date.now())).toBeLessThan(60_000);
      expect(payment.events[0]?.time.getTime()).toBeCloseTo(payment.createTime.getTime(), -2);
    });

    test("an unknown payment is undefined and cannot be changed", async () => {
      expect(await store.get(uuid())).toBeUndefined();
      await expect(store.settle(uuid(), APPROVED)).rejects.toThrow(UnknownPaymentError);
      await expect(store.reserveRefund(uuid(), aRefund(1n))).rejects.toThrow(UnknownPaymentError);
    });

    test("an approved charge succeeds, once", async () => {
      const id = uuid();
      await store.open(id, aCharge());
      const { payment, changed } = await store.settle(id, APPROVED);
      expect(changed).toBe(true);
      expect(payment).toMatchObject({ status: "SUCCEEDED", providerReference: "ch_1" });
      expect(eventTypes(payment)).toEqual(["CHARGE_REQUESTED", "CHARGE_SUCCEEDED"]);
      expect(await store.settle(id, { outcome: "declined", reason: "CARD_DECLINED" })).toEqual({
        payment,
        changed: false,
      });
      expect(await store.open(id, aCharge())).toEqual({ payment, changed: false });
    });

    test("a declined charge stores its reason", async () => {
      const id = uuid();
      await store.open(id, aCharge());
      const { payment } = await store.settle(id, {
        outcome: "declined",
        reason: "INSUFFICIENT_FUNDS",
      });
      expect(payment).toMatchObject({
        status: "DECLINED",
        declineReason: "INSUFFICIENT_FUNDS",
        providerReference: undefined,
      });
      expect(payment.events.at(-1)).toMatchObject({
        type: "CHARGE_DECLINED",
        detail: "INSUFFICIENT_FUNDS",
      });
    });

    test("a payment that was attempted recently is not abandoned", async () => {
      const id = uuid();
      await store.open(id, aCharge());
      expect(await store.abandon(id, 60_000)).toMatchObject({
        changed: false,
        payment: { status: "PENDING" },
      });
      await delay(20);
      expect(await store.abandon(id, 10)).toMatchObject({
        changed: true,
        payment: { status: "DECLINED", declineReason: "ABANDONED" },
      });
      expect(await store.settle(id, APPROVED)).toMatchObject({
        changed: false,
        payment: { status: "DECLINED" },
      });
    });

    test("opening a PENDING payment again keeps it from being abandoned", async () => {
      const id = uuid();
      await store.open(id, aCharge());
      await delay(600);
      await store.open(id, aCharge());
      expect((await store.abandon(id, 500)).changed).toBe(false);
    });

    test("a tombstone refuses the charge that comes after it", async () => {
      const id = uuid();
      const { payment, changed } = await store.void(id, "cancelled");
      expect(changed).toBe(true);
      expect(payment).toMatchObject({
        status: "VOIDED",
        charge: undefined,
        events: [{ type: "VOIDED", detail: "cancelled" }],
      });
      expect(await store.open(id, aCharge())).toEqual({ payment, changed: false });
      expect(await store.void(id, "again")).toEqual({ payment, changed: false });
    });

    test("an existing payment is not voided", async () => {
      const id = uuid();
      const { payment } = await store.open(id, aCharge());
      expect(await store.void(id, "cancelled")).toEqual({ payment, changed: false });
    });

    test("refunds are reserved, then settled, until nothing is left", async () => {
      const id = await captured(store);
      const [part, rest] = [aRefund(400n), aRefund(600n)];
      const reserved = await store.reserveRefund(id, part);
      expect(reserved).toMatchObject({
        changed: true,
        payment: { status: "SUCCEEDED", refunds: [{ ...part, status: "PENDING" }] },
      });
      expect(await store.settleRefund(id, part.id)).toMatchObject({
        changed: true,
        payment: { status: "PARTIALLY_REFUNDED" },
      });
      await store.reserveRefund(id, rest);
      const { payment } = await store.settleRefund(id, rest.id);
      expect(payment).toMatchObject({
        status: "REFUNDED",
        refunds: [{ status: "SUCCEEDED" }, { status: "SUCCEEDED" }],
      });
      expect(new Set(payment.refunds.map((refund) => refund.id))).toEqual(
        new Set([part.id, rest.id]),
      );
      expect(eventTypes(payment).slice(2)).toEqual([
        "REFUND_REQUESTED",
        "REFUND_SUCCEEDED",
        "REFUND_REQUESTED",
        "REFUND_SUCCEEDED",
      ]);
    });

    test("a PENDING refund already reserves its amount", async () => {
      const id = await captured(store);
      await store.reserveRefund(id, aRefund(700n));
      expect(await store.reserveRefund(id, aRefund(301n))).toMatchObject({
        changed: false,
        payment: { refunds: [{ amount: { minorUnits: 700n } }] },
      });
      expect((await store.reserveRefund(id, aRefund(300n))).changed).toBe(true);
    });

    test("one refund id is one refund", async () => {
      const id = await captured(store);
      const refund = aRefund(100n);
      await store.reserveRefund(id, refund);
      expect((await store.reserveRefund(id, refund)).changed).toBe(false);
      await store.settleRefund(id, refund.id);
      const again = await store.settleRefund(id, refund.id);
      expect(again.changed).toBe(false);
      expect(again.payment).toMatchObject({ status: "PARTIALLY_REFUNDED" });
      expect(sum(again.payment)).toBe(100n);
    });

    test.each(["PENDING", "DECLINED", "VOIDED"] as const)(
      "nothing is reserved of a payment that is %s",
      async (status) => {
        const id = uuid();
        if (status === "VOIDED") await store.void(id, "");
        else await store.open(id, aCharge());
        if (status === "DECLINED")
          await store.settle(id, { outcome: "declined", reason: "CARD_DECLINED" });
        expect(await store.reserveRefund(id, aRefund(1n))).toMatchObject({
          changed: false,
          payment: { status, refunds: [] },
        });
      },
    );

    test("a late charge is recorded with its refund", async () => {
      const id = uuid();
      const refund = aRefund(1_000n);
      await store.open(id, aCharge());
      await store.settle(id, { outcome: "declined", reason: "ABANDONED" });
      const late = await store.recordLateCharge(id, "ch_late", refund);
      expect(late).toMatchObject({
        changed: true,
        payment: { status: "DECLINED", providerReference: "ch_late", refunds: [refund] },
      });
      expect((await store.recordLateCharge(id, "ch_late", refund)).changed).toBe(false);
      const { payment } = await store.settleRefund(id, refund.id);
      expect(payment).toMatchObject({ status: "DECLINED", refunds: [{ status: "SUCCEEDED" }] });
      const trail = [
        "CHARGE_REQUESTED",
        "CHARGE_DECLINED",
        "CHARGE_SUCCEEDED",
        "REFUND_REQUESTED",
        "REFUND_SUCCEEDED",
      ];
      expect(eventTypes(payment)).toEqual(trail);
    });

    test("a tombstone records one late charge with its refund, and stays VOIDED", async () => {
      const id = uuid();
      const refund = aRefund(1_000n);
      await store.void(id, "cancelled");
      expect(await store.recordLateCharge(id, "ch_late", refund)).toMatchObject({
        changed: true,
        payment: {
          status: "VOIDED",
          charge: undefined,
          providerReference: "ch_late",
          refunds: [{ ...refund, status: "PENDING" }],
        },
      });
      expect(await store.recordLateCharge(id, "ch_late", aRefund(1_000n))).toMatchObject({
        changed: false,
        payment: { refunds: [refund] },
      });
      await delay(20);
      expect((await store.pendingSince(10, 100)).map((payment) => payment.id)).toContain(id);
      const { payment } = await store.settleRefund(id, refund.id);
      expect(payment).toMatchObject({ status: "VOIDED", refunds: [{ status: "SUCCEEDED" }] });
      expect(eventTypes(payment)).toEqual([
        "VOIDED",
        "CHARGE_SUCCEEDED",
        "REFUND_REQUESTED",
        "REFUND_SUCCEEDED",
      ]);
      expect(await store.open(id, aCharge())).toEqual({ payment, changed: false });
      expect((await store.pendingSince(10, 100)).map((each) => each.id)).not.toContain(id);
    });

    test("a captured payment has no late charge", async () => {
      const id = await captured(store);
      expect((await store.recordLateCharge(id, "ch_2", aRefund(1_000n))).changed).toBe(false);
    });

    test("only payments with open work are pending, oldest attempt first", async () => {
      const waiting = uuid();
      await store.open(waiting, aCharge());
      const refunding = await captured(store);
      await store.reserveRefund(refunding, aRefund(1n));
      const finished = await captured(store);
      const tombstone = uuid();
      await store.void(tombstone, "");
      await delay(20);
      const pending = async () => (await store.pendingSince(10, 100)).map(({ id }) => id);
      expect(await pending()).toEqual(expect.arrayContaining([waiting, refunding]));
      expect(await pending()).not.toEqual(expect.arrayContaining([finished]));
      expect(await pending()).not.toEqual(expect.arrayContaining([tombstone]));
      expect((await pending()).indexOf(waiting)).toBeLessThan((await pending()).indexOf(refunding));
      expect(await store.pendingSince(60_000, 100)).toEqual([]);
      await store.markAttempted(waiting);
      await delay(20);
      expect((await pending()).indexOf(waiting)).toBeGreaterThan(
        (await pending()).indexOf(refunding),
      );
      expect(await store.pendingSince(10, 1)).toHaveLength(1);
    });

    test("a settled refund leaves nothing pending", async () => {
      const id = await captured(store);
      const refund = aRefund(1n);
      await store.reserveRefund(id, refund);
      await store.settleRefund(id, refund.id);
      await delay(20);
      expect((await store.pendingSince(10, 100)).map((payment) => payment.id)).not.toContain(id);
    });

    test("an abandoned payment is watched for a limited time", async () => {
      const id = uuid();
      await store.open(id, aCharge());
      await delay(20);
      await store.abandon(id, 10);
      const watched = async (ageMs: number) =>
        (await store.watchedSince(ageMs, 100)).map((payment) => payment.id);
      expect(await watched(60_000)).toEqual([]);
      expect((await store.pendingSince(0, 100)).map((payment) => payment.id)).not.toContain(id);
      await delay(20);
      expect(await watched(10)).toContain(id);
      await store.keepWatch(id, 60_000);
      expect(await watched(60_000)).toEqual([]);
      await delay(20);
      expect(await watched(10)).toContain(id);
      await store.keepWatch(id, 10);
      await delay(20);
      expect(await watched(10)).not.toContain(id);
    });

    test("a payment is no longer watched once its late charge is recorded", async () => {
      const id = uuid();
      await store.open(id, aCharge());
      await delay(20);
      await store.abandon(id, 10);
      await store.recordLateCharge(id, "ch_late", aRefund(1_000n));
      await delay(20);
      expect((await store.watchedSince(10, 100)).map((payment) => payment.id)).not.toContain(id);
    });

    test("lists are newest first, in pages, without audit trails", async () => {
      const charge = aCharge();
      const ids: string[] = [];
      for (let n = 0; n < 5; n++) {
        const id = uuid();
        await store.open(id, { ...charge, orderId: uuid() });
        ids.unshift(id);
        await delay(3);
      }
      const filter = { orderId: undefined, customerId: charge.customerId, status: undefined };
      const first = await store.list(filter, undefined, 3);
      const second = await store.list(filter, first.at(-1), 3);
      expect([...first, ...second].map(({ id }) => id)).toEqual(ids);
      expect(first[0]?.events).toEqual([]);
    });

    test("lists filter by order, customer and status", async () => {
      const id = await captured(store);
      const { orderId, customerId } = (await store.get(id))?.charge ?? aCharge();
      const none = { orderId: undefined, customerId: undefined, status: undefined };
      const find = async (filter: Parameters<PaymentStore["list"]>[0]) =>
        (await store.list(filter, undefined, 10)).map((payment) => payment.id);
      expect(await find({ ...none, orderId })).toEqual([id]);
      expect(await find({ ...none, customerId, status: "SUCCEEDED" })).toEqual([id]);
      expect(await find({ ...none, customerId, status: "DECLINED" })).toEqual([]);
      expect(await find({ ...none, status: "SUCCEEDED" })).toContain(id);
    });

    test("refunded payments are listed in the order of their last change, in pages", async () => {
      const seen = (await store.listRefunded(undefined, 0, 1_000)).at(-1);
      const [a, b] = [await captured(store), await captured(store)];
      await captured(store);
      const refund = async (id: string) => {
        const { id: refundId } = await reserved(store, id);
        // Times are whole milliseconds.
        await delay(5);
        await store.settleRefund(id, refundId);
      };
      const listed = async (after: Payment | undefined, ids: readonly string[], limit = 10) =>
        vi.waitFor(async () => {
          const page = await store.listRefunded(after, 0, limit);
          expect(page.map(({ id }) => id)).toEqual(ids);
          return page;
        });
      await refund(a);
      await refund(b);
      const [first] = await listed(seen, [a], 1);
      expect(first).toMatchObject({ status: "PARTIALLY_REFUNDED", events: [] });
      const [second] = await listed(first, [b]);
      await refund(a);
      await listed(second, [a]);
      expect(await store.listRefunded(second, 60_000, 10)).toEqual([]);
    });

    test("the refund of a tombstone is not listed: it belongs to no order", async () => {
      const id = uuid();
      await store.void(id, "");
      const refund = aRefund(5n);
      await store.recordLateCharge(id, "ch_1", refund);
      await store.settleRefund(id, refund.id);
      await delay(5);
      const listed = await store.listRefunded(undefined, 0, 1_000);
      expect(listed.map((payment) => payment.id)).not.toContain(id);
    });

    test("a ping succeeds", async () => {
      await expect(store.ping(AbortSignal.timeout(1_000))).resolves.toBeUndefined();
    });
  });
}

const times = (count: number) => Array.from({ length: count }, (_, n) => n);

/** What every PaymentStore guarantees to concurrent calls. */
export function atomicityContract(open: () => Promise<PaymentStore>): void {
  describe("concurrent calls", () => {
    let store: PaymentStore;
    beforeAll(async () => {
      store = await open();
    });
    afterAll(() => store?.[Symbol.asyncDispose]());

    test("20 opens make one payment", async () => {
      const id = uuid();
      const changes = await Promise.all(times(20).map(() => store.open(id, aCharge())));
      expect(changes.filter(({ changed }) => changed)).toHaveLength(1);
      expect(new Set(changes.map(({ payment }) => payment.charge?.orderId)).size).toBe(1);
      expect(eventTypes((await store.get(id)) as Payment)).toEqual(["CHARGE_REQUESTED"]);
    });

    test("20 opens and 20 voids: the payment is opened or voided, not both", async () => {
      const id = uuid();
      const opens = times(20).map(() => store.open(id, aCharge()));
      const voids = times(20).map(() => store.void(id, ""));
      const changes = await Promise.all([...opens, ...voids]);
      expect(changes.filter(({ changed }) => changed)).toHaveLength(1);
      expect(new Set(changes.map(({ payment }) => payment.status)).size).toBe(1);
    });

    test("20 outcomes settle once", async () => {
      const id = uuid();
      await store.open(id, aCharge());
      const outcome = (n: number): ChargeOutcome =>
        n % 2 === 0 ? APPROVED : { outcome: "declined", reason: "CARD_DECLINED" };
      const changes = await Promise.all(times(20).map((n) => store.settle(id, outcome(n))));
      expect(changes.filter(({ changed }) => changed)).toHaveLength(1);
      expect((await store.get(id))?.events).toHaveLength(2);
    });

    test("50 refunds never exceed the capture", async () => {
      const id = await captured(store, 1_050n);
      const refunds = times(50).map(() => aRefund(100n));
      const changes = await Promise.all(refunds.map((refund) => store.reserveRefund(id, refund)));
      const reserved = refunds.filter((_, n) => changes[n]?.changed);
      expect(reserved).toHaveLength(10);
      await Promise.all(reserved.map((refund) => store.settleRefund(id, refund.id)));
      const payment = (await store.get(id)) as Payment;
      expect(sum(payment)).toBe(1_000n);
      expect(payment.status).toBe("PARTIALLY_REFUNDED");
      expect(payment.events).toHaveLength(2 + 10 + 10);
    });

    test("20 late charges of a tombstone, each with a refund of its own: one", async () => {
      const id = uuid();
      await store.void(id, "");
      const changes = await Promise.all(
        times(20).map(() => store.recordLateCharge(id, "ch_late", aRefund(1_000n))),
      );
      expect(changes.filter(({ changed }) => changed)).toHaveLength(1);
      expect(new Set(changes.map(({ payment }) => payment.refunds[0]?.id)).size).toBe(1);
    });

    test("50 refunds of all of it: one", async () => {
      const id = await captured(store);
      const changes = await Promise.all(
        times(50).map(() => store.reserveRefund(id, aRefund(1_000n))),
      );
      expect(changes.filter(({ changed }) => changed)).toHaveLength(1);
    });

    test("one refund settled by 20 concurrent calls is counted once", async () => {
      const id = await captured(store);
      const [refund, rest] = [aRefund(500n), aRefund(500n)];
      await store.reserveRefund(id, refund);
      const changes = await Promise.all(times(20).map(() => store.settleRefund(id, refund.id)));
      expect(changes.filter(({ changed }) => changed)).toHaveLength(1);
      await store.reserveRefund(id, rest);
      expect((await store.settleRefund(id, rest.id)).payment.status).toBe("REFUNDED");
    });
  });
}

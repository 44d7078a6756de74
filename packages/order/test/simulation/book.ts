import type { Journal } from "./journal.ts";

/** What the customer of one order paid and got back. */
export interface Account {
  captures: number;
  refunds: number;
  captured: bigint;
  refunded: bigint;
}

/** The provider's own record of the money. Both operations are idempotent by their key. */
export class Book {
  readonly accounts = new Map<string, Account>();
  readonly #journal: Journal;
  readonly #charges = new Map<string, { readonly orderId: string; readonly amount: bigint }>();
  readonly #refunds = new Set<string>();

  constructor(journal: Journal) {
    this.#journal = journal;
  }

  account(orderId: string): Account {
    const account = this.accounts.get(orderId) ?? {
      captures: 0,
      refunds: 0,
      captured: 0n,
      refunded: 0n,
    };
    this.accounts.set(orderId, account);
    return account;
  }

  has(key: string): boolean {
    return this.#charges.has(key);
  }

  capture(key: string, orderId: string, amount: bigint): void {
    if (this.has(key)) return;
    this.#charges.set(key, { orderId, amount });
    const account = this.account(orderId);
    account.captures++;
    account.captured += amount;
    this.#journal.note(`provider captures ${amount} for ${orderId}`);
  }

  /** Refunds the whole charge. */
  refund(key: string, chargeKey: string): void {
    const charge = this.#charges.get(chargeKey);
    if (charge === undefined || this.#refunds.has(key)) return;
    this.#refunds.add(key);
    const account = this.account(charge.orderId);
    account.refunds++;
    account.refunded += charge.amount;
    this.#journal.note(`provider refunds ${charge.amount} for ${charge.orderId}`);
  }
}

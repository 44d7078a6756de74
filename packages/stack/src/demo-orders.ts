import { BEYOND_THE_LIMIT, SCARCE, SOLD_OUT } from "./catalog.ts";

/** An order of the demo, and how it must end. */
export interface DemoOrder {
  readonly title: string;
  readonly items: readonly { readonly sku: string; readonly quantity: number }[];
  readonly token: string;
  /** The user who cancels it once it is confirmed. */
  readonly cancelledBy?: "alice" | "olivia";
  readonly expected: Ending;
}

/** Values of `order.v1.OrderStatus` and `payment.v1.PaymentStatus`, and the failure's reason. */
export interface Ending {
  readonly status: string;
  readonly reason?: string | undefined;
  readonly payment: string;
}

const CONFIRMED: Ending = { status: "CONFIRMED", payment: "SUCCEEDED" };
const DECLINED: Ending = { status: "REJECTED", reason: "PAYMENT_DECLINED", payment: "DECLINED" };
const refunded = (reason: string): Ending => ({ status: "CANCELLED", reason, payment: "REFUNDED" });

const one = (sku: string) => [{ sku, quantity: 1 }];

export const demoOrders: readonly DemoOrder[] = [
  {
    title: "confirmed",
    items: [{ sku: "MUG-BLUE", quantity: 2 }],
    token: "tok_visa",
    expected: CONFIRMED,
  },
  {
    title: "confirmed, three products",
    items: [...one("KETTLE"), ...one("SCALE"), ...one("COFFEE-1KG")],
    token: "tok_visa",
    expected: CONFIRMED,
  },
  {
    title: "declined: above the limit",
    items: one(BEYOND_THE_LIMIT),
    token: "tok_visa",
    expected: DECLINED,
  },
  { title: "declined: the card", items: one("GRINDER"), token: "tok_declined", expected: DECLINED },
  {
    title: "declined: insufficient funds",
    items: one("GRINDER"),
    token: "tok_insufficient_funds",
    expected: DECLINED,
  },
  {
    title: "sold out: refunded",
    items: one(SOLD_OUT),
    token: "tok_visa",
    expected: refunded("OUT_OF_STOCK"),
  },
  {
    title: "one product too scarce: all refunded",
    items: [...one("MUG-RED"), { sku: SCARCE, quantity: 5 }],
    token: "tok_visa",
    expected: refunded("OUT_OF_STOCK"),
  },
  {
    title: "flaky provider: tried again",
    items: one("TEA-SENCHA"),
    token: "tok_flaky",
    expected: CONFIRMED,
  },
  { title: "slow provider", items: one("TRAVEL-CUP"), token: "tok_slow", expected: CONFIRMED },
  {
    title: "charged, but the answer was lost",
    items: one("FILTERS-100"),
    token: "tok_timeout_then_success",
    expected: CONFIRMED,
  },
  {
    title: "cancelled by the customer",
    items: one("KETTLE"),
    token: "tok_visa",
    cancelledBy: "alice",
    expected: refunded("CANCELLED_BY_CUSTOMER"),
  },
  {
    title: "cancelled by an operator",
    items: one("SCALE"),
    token: "tok_visa",
    cancelledBy: "olivia",
    expected: refunded("CANCELLED_BY_OPERATOR"),
  },
];

/** Returns the limits of the stock with which the demo has the same outcome each time it runs. */
export function neededStock(sku: string): { readonly min: bigint; readonly max: bigint } {
  if (sku === SOLD_OUT) return { min: 0n, max: 0n };
  if (sku === SCARCE) return { min: 0n, max: 3n };
  return { min: 10n, max: 1_000_000_000n };
}

export const sameEnding = (a: Ending, b: Ending): boolean =>
  a.status === b.status && a.reason === b.reason && a.payment === b.payment;

export const describeEnding = ({ status, reason, payment }: Ending): string =>
  `${status}${reason === undefined ? "" : ` (${reason})`}, payment ${payment}`;

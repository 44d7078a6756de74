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

const demo = (
  title: string,
  items: DemoOrder["items"],
  token: string,
  expected: Ending,
  cancelledBy?: DemoOrder["cancelledBy"],
): DemoOrder => ({ title, items, token, expected, ...(cancelledBy && { cancelledBy }) });

const threeProducts = [...one("KETTLE"), ...one("SCALE"), ...one("COFFEE-1KG")];
const oneTooScarce = [...one("MUG-RED"), { sku: SCARCE, quantity: 5 }];

export const demoOrders: readonly DemoOrder[] = [
  demo("confirmed", [{ sku: "MUG-BLUE", quantity: 2 }], "tok_visa", CONFIRMED),
  demo("confirmed, three products", threeProducts, "tok_visa", CONFIRMED),
  demo("declined: above the limit", one(BEYOND_THE_LIMIT), "tok_visa", DECLINED),
  demo("declined: the card", one("GRINDER"), "tok_declined", DECLINED),
  demo("declined: insufficient funds", one("GRINDER"), "tok_insufficient_funds", DECLINED),
  demo("sold out: refunded", one(SOLD_OUT), "tok_visa", refunded("OUT_OF_STOCK")),
  demo("one product too scarce: all refunded", oneTooScarce, "tok_visa", refunded("OUT_OF_STOCK")),
  demo("flaky provider: retried", one("TEA-SENCHA"), "tok_flaky", CONFIRMED),
  demo("slow provider", one("TRAVEL-CUP"), "tok_slow", CONFIRMED),
  demo(
    "charged, but the response was lost",
    one("FILTERS-100"),
    "tok_timeout_then_success",
    CONFIRMED,
  ),
  demo(
    "cancelled by the customer",
    one("KETTLE"),
    "tok_visa",
    refunded("CANCELLED_BY_CUSTOMER"),
    "alice",
  ),
  demo(
    "cancelled by an operator",
    one("SCALE"),
    "tok_visa",
    refunded("CANCELLED_BY_OPERATOR"),
    "olivia",
  ),
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

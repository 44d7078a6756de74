import type { Scratch } from "./scratch.ts";

/** The gates of `pnpm verify` and `pnpm contracts` that can catch a mutant, cheapest first. */
export const gates = [
  "buf-breaking",
  "golden",
  "golden-growth",
  "policy",
  "access",
  "build",
  "pacts",
  "verify",
] as const;
export type Gate = (typeof gates)[number];

export interface Mutant {
  readonly name: string;
  readonly mutate: (scratch: Scratch) => Promise<unknown>;
  /** The gates that must catch it, and what each must report, so that no other failure counts. */
  readonly caughtBy: Readonly<Partial<Record<Gate, RegExp>>>;
}

const ORDER = "proto/order/v1/order_service.proto";
const PAYMENT = "proto/payment/v1/payment_service.proto";
const IDENTITY = "proto/identity/v1/identity.proto";

/** Changes a contract and regenerates its code. */
async function inProto(scratch: Scratch, path: string, from: string, to: string): Promise<void> {
  await scratch.replace(path, from, to);
  await scratch.must("buf", "generate");
}

/** Matches in Pact's list of failures only. */
const failure = (what: RegExp): RegExp => new RegExp(`^Failures:$[^]*${what.source}`, "m");

/** Breaking changes of published contracts, some without and some with the code changed along. */
export const mutants: readonly Mutant[] = [
  {
    name: "a renamed field",
    mutate: (scratch) =>
      inProto(scratch, "proto/common/v1/money.proto", "int64 minor_units = 2", "int64 cents = 2"),
    caughtBy: {
      "buf-breaking": /minor_units/,
      golden: /common\.v1\.Money /,
      policy: /Money: minor_units/,
      build: /minorUnits/,
    },
  },
  {
    name: "a renamed field, in the code too",
    mutate: async (scratch) => {
      await inProto(scratch, ORDER, "string payment_id = 6", "string charge_id = 6");
      await scratch.replace(
        "packages/order/src/message.ts",
        "paymentId: order.paymentId",
        "chargeId: order.paymentId",
      );
    },
    caughtBy: {
      "buf-breaking": /payment_id/,
      golden: /order\.v1\.Order /,
      verify: failure(/paymentId/),
    },
  },
  {
    name: "a removed field",
    mutate: (scratch) => inProto(scratch, PAYMENT, "  optional string decline_reason = 8;\n", ""),
    caughtBy: {
      "buf-breaking": /decline_reason/,
      golden: /payment\.v1\.Payment /,
      build: /declineReason/,
    },
  },
  {
    name: "a renumbered field, with vectors made anew",
    mutate: async (scratch) => {
      await inProto(scratch, ORDER, "  string message = 2;", "  string message = 3;");
      await scratch.must("git", "rm", "--quiet", "packages/proof/contracts/golden/order.v1.json");
      await scratch.must(
        "node",
        "--conditions=source",
        "packages/proof/contracts/src/main.ts",
        "accept",
      );
    },
    caughtBy: {
      "buf-breaking": /OrderFailure/,
      "golden-growth": /order\.v1\.OrderFailure no longer has/,
    },
  },
  {
    name: "a changed package path",
    mutate: (scratch) => inProto(scratch, PAYMENT, "package payment.v1;", "package payments.v1;"),
    caughtBy: {
      "buf-breaking": /payment\.v1/,
      golden: /payment\.v1\.Payment .*no longer exists/,
      policy: /payments\.v1\.PaymentService: ProcessPayment/,
      pacts: /order-payment\.json/,
      verify: failure(/a charge that is approved/),
    },
  },
  {
    name: "a changed money unit in a request",
    mutate: (scratch) =>
      scratch.replace(
        "packages/order/src/payment-client.ts",
        "{ ...rest, paymentMethod: { token } }",
        "{ ...rest, amount: { ...rest.amount, minorUnits: rest.amount.minorUnits / 100n }, paymentMethod: { token } }",
      ),
    caughtBy: { pacts: /\$\.amount\.minorUnits/ },
  },
  {
    name: "a removed enum value",
    mutate: (scratch) => inProto(scratch, ORDER, "  ORDER_STATUS_NEEDS_ATTENTION = 6;\n", ""),
    caughtBy: {
      "buf-breaking": /"6" on enum "OrderStatus"/,
      golden: /ORDER_STATUS_NEEDS_ATTENTION/,
      build: /NEEDS_ATTENTION/,
    },
  },
  {
    name: "a weakened validation rule",
    mutate: (scratch) => inProto(scratch, IDENTITY, "    min_len: 8\n", "    min_len: 1\n"),
    caughtBy: {
      policy: /RegisterRequest: password/,
      verify: failure(/a registration with a short password/),
    },
  },
  {
    name: "a weakened validation rule that no pact tries",
    mutate: (scratch) => inProto(scratch, ORDER, "    lte: 1000\n", "    lte: 100000\n"),
    caughtBy: { policy: /CreateOrderItem: quantity/ },
  },
  {
    name: "a removed access option",
    mutate: (scratch) =>
      inProto(scratch, ORDER, "    option (common.v1.access).roles = ROLE_CUSTOMER;\n", ""),
    caughtBy: {
      policy: /OrderService: CreateOrder/,
      access: /order\.v1\.OrderService\/CreateOrder/,
      // The service does not even start.
      verify: /declare no \(common\.v1\.access\): order\.v1\.OrderService\/CreateOrder/,
    },
  },
  {
    name: "access for one role more",
    mutate: (scratch) =>
      inProto(
        scratch,
        PAYMENT,
        "    option (common.v1.access).roles = ROLE_OPERATOR;\n    option idempotency_level = IDEMPOTENT;",
        "    option (common.v1.access).roles = ROLE_OPERATOR;\n    option (common.v1.access).roles = ROLE_CUSTOMER;\n    option idempotency_level = IDEMPOTENT;",
      ),
    caughtBy: { policy: /PaymentService: RefundPayment/ },
  },
];

/**
 * Mutants of the code alone, each in another interaction of the pacts: all are made at once, for
 * one run of the gate. Each must still be reported by itself.
 */
export const mutantsAtOnce: readonly Mutant[] = [
  {
    name: "a changed error reason of Payment",
    mutate: async (scratch) => {
      for (const file of ["errors.ts", "use-cases.ts"])
        await scratch.replace(
          `packages/payment/src/${file}`,
          '"PAYMENT_VOIDED"',
          '"PAYMENT_CANCELLED"',
        );
    },
    caughtBy: { verify: failure(/a charge that comes after its refund/) },
  },
  {
    name: "a changed error reason of Order",
    mutate: async (scratch) => {
      await scratch.replace(
        "packages/order/src/errors.ts",
        "ORDER_NOT_CANCELLABLE",
        "CANNOT_CANCEL",
      );
      await scratch.replace(
        "packages/order/src/cancel.ts",
        "ORDER_NOT_CANCELLABLE",
        "CANNOT_CANCEL",
      );
    },
    caughtBy: { verify: failure(/a customer who cancels an order that was rejected/) },
  },
  {
    name: "a changed error code",
    mutate: (scratch) =>
      scratch.replace(
        "packages/identity/src/errors.ts",
        "EMAIL_TAKEN: Code.AlreadyExists",
        "EMAIL_TAKEN: Code.FailedPrecondition",
      ),
    caughtBy: { verify: failure(/a registration under an address that is taken/) },
  },
  {
    name: "a changed money unit in a response",
    mutate: (scratch) =>
      scratch.replace(
        "packages/order/src/message.ts",
        "total: order.total",
        "total: { ...order.total, minorUnits: order.total.minorUnits / 100n }",
      ),
    caughtBy: { verify: failure(/\$\.total\.minorUnits/) },
  },
];

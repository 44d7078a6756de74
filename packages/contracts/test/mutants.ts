import type { Scratch } from "./scratch.ts";

/** What can catch a change of the contract, cheapest first; the names of `pnpm verify` and `pnpm contracts`. */
export const gates = ["buf-breaking", "golden", "golden-growth", "policy", "access", "types", "pacts", "verify"] as const;
export type Gate = (typeof gates)[number];

export interface Mutant {
  readonly name: string;
  readonly mutate: (scratch: Scratch) => Promise<unknown>;
  /** The gates that must catch it, each of them; others may. */
  readonly caughtBy: readonly Gate[];
}

const ORDER = "proto/order/v1/order_service.proto";
const PAYMENT = "proto/payment/v1/payment_service.proto";
const IDENTITY = "proto/identity/v1/identity.proto";

/** In a contract; its code is generated anew. */
async function inProto(scratch: Scratch, path: string, from: string, to: string): Promise<void> {
  await scratch.replace(path, from, to);
  await scratch.must("buf", "generate");
}

/** What was published must not change; by carelessness, where the code was left behind, and by diligence, where everything that compiles was changed with it. */
export const mutants: readonly Mutant[] = [
  {
    name: "a renamed field",
    mutate: (scratch) => inProto(scratch, "proto/common/v1/money.proto", "int64 minor_units = 2", "int64 cents = 2"),
    caughtBy: ["buf-breaking", "golden", "policy", "types"],
  },
  {
    name: "a renamed field, in the code too",
    mutate: async (scratch) => {
      await inProto(scratch, ORDER, "string payment_id = 6", "string charge_id = 6");
      await scratch.replace("packages/order/src/message.ts", "paymentId: order.paymentId", "chargeId: order.paymentId");
    },
    caughtBy: ["buf-breaking", "golden", "verify"],
  },
  {
    name: "a removed field",
    mutate: (scratch) => inProto(scratch, PAYMENT, "  optional string decline_reason = 8;\n", ""),
    caughtBy: ["buf-breaking", "golden", "types"],
  },
  {
    name: "a renumbered field, with vectors made anew",
    mutate: async (scratch) => {
      await inProto(scratch, ORDER, "  string message = 2;", "  string message = 3;");
      await scratch.must("git", "rm", "--quiet", "packages/contracts/golden/order.v1.json");
      await scratch.must("node", "--conditions=source", "packages/contracts/src/main.ts", "accept");
    },
    caughtBy: ["buf-breaking", "golden-growth"],
  },
  {
    name: "a changed package path",
    mutate: (scratch) => inProto(scratch, PAYMENT, "package payment.v1;", "package payments.v1;"),
    caughtBy: ["buf-breaking", "golden", "policy", "pacts", "verify"],
  },
  {
    name: "a changed error reason of Payment",
    mutate: async (scratch) => {
      for (const file of ["errors.ts", "payments.ts"])
        await scratch.replace(`packages/payment/src/${file}`, '"PAYMENT_VOIDED"', '"PAYMENT_CANCELLED"');
    },
    caughtBy: ["verify"],
  },
  {
    name: "a changed error reason of Order",
    mutate: async (scratch) => {
      await scratch.replace("packages/order/src/errors.ts", "ORDER_NOT_CANCELLABLE", "CANNOT_CANCEL");
      await scratch.replace("packages/order/src/cancel.ts", "ORDER_NOT_CANCELLABLE", "CANNOT_CANCEL");
    },
    caughtBy: ["verify"],
  },
  {
    name: "a changed error code",
    mutate: (scratch) =>
      scratch.replace("packages/identity/src/errors.ts", "EMAIL_TAKEN: Code.AlreadyExists", "EMAIL_TAKEN: Code.FailedPrecondition"),
    caughtBy: ["verify"],
  },
  {
    name: "a changed money unit in an answer",
    mutate: (scratch) =>
      scratch.replace(
        "packages/order/src/message.ts",
        "total: money(order.currency, order.total)",
        "total: money(order.currency, order.total / 100n)",
      ),
    caughtBy: ["verify"],
  },
  {
    name: "a changed money unit in a request",
    mutate: (scratch) =>
      scratch.replace(
        "packages/order/src/payments.ts",
        "{ ...rest, paymentMethod: { token } }",
        "{ ...rest, amount: { ...rest.amount, minorUnits: rest.amount.minorUnits / 100n }, paymentMethod: { token } }",
      ),
    caughtBy: ["pacts"],
  },
  {
    name: "a removed enum value",
    mutate: (scratch) => inProto(scratch, ORDER, "  ORDER_STATUS_NEEDS_ATTENTION = 6;\n", ""),
    caughtBy: ["buf-breaking", "golden", "types"],
  },
  {
    name: "a weakened validation rule",
    mutate: (scratch) => inProto(scratch, IDENTITY, "    min_len: 8\n", "    min_len: 1\n"),
    caughtBy: ["policy", "verify"],
  },
  {
    name: "a weakened validation rule that no pact tries",
    mutate: (scratch) => inProto(scratch, ORDER, "    lte: 1000\n", "    lte: 100000\n"),
    caughtBy: ["policy"],
  },
  {
    name: "a removed access option",
    mutate: (scratch) => inProto(scratch, ORDER, "    option (common.v1.access).roles = ROLE_CUSTOMER;\n", ""),
    caughtBy: ["policy", "access", "verify"],
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
    caughtBy: ["policy"],
  },
];

import { OrderStatus } from "@tercet/gen/order/v1/order_service";
import { SagaState } from "@tercet/gen/order/v1/saga_service";
import { PaymentStatus } from "@tercet/gen/payment/v1/payment_service";
import {
  CircleAlert,
  CircleCheck,
  CircleX,
  type LucideIcon,
  RotateCcw,
  Undo2,
  UserCheck,
} from "lucide-react";
import type { ReactNode } from "react";

/** What a status means for who reads it: colour, shape and word, never colour alone. */
export type Tone = "green" | "blue" | "amber" | "grey" | "red";

interface Look {
  readonly tone: Tone;
  readonly word: string;
  /** Undefined: a ring that turns. */
  readonly icon?: LucideIcon;
}

const UNKNOWN: Look = { tone: "grey", word: "Unknown", icon: CircleAlert };

export const ORDER_LOOKS: Readonly<Partial<Record<OrderStatus, Look>>> = {
  [OrderStatus.PENDING]: { tone: "blue", word: "Pending" },
  [OrderStatus.CONFIRMED]: { tone: "green", word: "Confirmed", icon: CircleCheck },
  [OrderStatus.REJECTED]: { tone: "grey", word: "Rejected", icon: CircleX },
  [OrderStatus.CANCELLING]: { tone: "amber", word: "Cancelling", icon: Undo2 },
  [OrderStatus.CANCELLED]: { tone: "grey", word: "Cancelled", icon: CircleX },
  [OrderStatus.NEEDS_ATTENTION]: { tone: "red", word: "Needs attention", icon: CircleAlert },
};

export const SAGA_LOOKS: Readonly<Partial<Record<SagaState, Look>>> = {
  [SagaState.RUNNING]: { tone: "blue", word: "Running" },
  [SagaState.COMPENSATING]: { tone: "amber", word: "Compensating", icon: Undo2 },
  [SagaState.COMPLETED]: { tone: "green", word: "Completed", icon: CircleCheck },
  [SagaState.COMPENSATED]: { tone: "grey", word: "Compensated", icon: RotateCcw },
  [SagaState.NEEDS_ATTENTION]: { tone: "red", word: "Needs attention", icon: CircleAlert },
  [SagaState.RESOLVED]: { tone: "grey", word: "Resolved by hand", icon: UserCheck },
};

export const PAYMENT_LOOKS: Readonly<Partial<Record<PaymentStatus, Look>>> = {
  [PaymentStatus.PENDING]: { tone: "blue", word: "Pending" },
  [PaymentStatus.SUCCEEDED]: { tone: "green", word: "Succeeded", icon: CircleCheck },
  [PaymentStatus.DECLINED]: { tone: "grey", word: "Declined", icon: CircleX },
  [PaymentStatus.PARTIALLY_REFUNDED]: { tone: "amber", word: "Partly refunded", icon: Undo2 },
  [PaymentStatus.REFUNDED]: { tone: "grey", word: "Refunded", icon: Undo2 },
  [PaymentStatus.VOIDED]: { tone: "grey", word: "Voided", icon: CircleX },
};

export const OrderBadge = ({ status, large }: { status: OrderStatus; large?: boolean }) => (
  <StatusBadge look={ORDER_LOOKS[status] ?? UNKNOWN} large={large ?? false} />
);

export const SagaBadge = ({ state, large }: { state: SagaState; large?: boolean }) => (
  <StatusBadge look={SAGA_LOOKS[state] ?? UNKNOWN} large={large ?? false} />
);

export const PaymentBadge = ({ status, large }: { status: PaymentStatus; large?: boolean }) => (
  <StatusBadge look={PAYMENT_LOOKS[status] ?? UNKNOWN} large={large ?? false} />
);

function StatusBadge({ look: { tone, word, icon: Icon }, large }: { look: Look; large: boolean }) {
  return (
    <Badge tone={tone} large={large}>
      {Icon === undefined ? <span className="ring" aria-hidden /> : <Icon aria-hidden size={14} />}
      {word}
    </Badge>
  );
}

export const Badge = ({
  tone,
  large = false,
  children,
}: {
  readonly tone: Tone;
  readonly large?: boolean;
  readonly children: ReactNode;
}) => (
  <span className="badge" data-tone={tone} data-large={large || undefined}>
    {children}
  </span>
);

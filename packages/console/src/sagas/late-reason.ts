import { SagaLateReason } from "@tercet/gen/order/v1/saga_service";

/** Why a saga is late, in words; undefined if it is not. */
export const LATE_REASONS: Readonly<Partial<Record<SagaLateReason, string>>> = {
  [SagaLateReason.NEEDS_ATTENTION]: "only an operator can move it",
  [SagaLateReason.UNKNOWN_VERSION]: "of a version that this replica does not know",
  [SagaLateReason.FAILING]: "its step fails again and again",
  [SagaLateReason.AGE]: "open for more than a minute",
};

import { Code } from "@connectrpc/connect";
import { type ErrorCodes, ReasonError } from "@tercet/service";

export type OrderReason =
  | "UNKNOWN_SKU"
  | "CURRENCY_MISMATCH"
  | "TOTAL_TOO_LARGE"
  | "PRICE_CHANGED"
  | "OUT_OF_STOCK"
  | "STOCK_TOO_LARGE"
  | "ORDER_NOT_CANCELLABLE"
  | "SAGA_NOT_RETRYABLE"
  | "SAGA_NOT_COMPENSATABLE"
  | "SAGA_NOT_RESOLVABLE";

export class OrderError extends ReasonError<OrderReason> {}

export const orderErrorCodes: ErrorCodes<OrderReason> = {
  UNKNOWN_SKU: Code.InvalidArgument,
  CURRENCY_MISMATCH: Code.InvalidArgument,
  TOTAL_TOO_LARGE: Code.InvalidArgument,
  PRICE_CHANGED: Code.FailedPrecondition,
  OUT_OF_STOCK: Code.FailedPrecondition,
  STOCK_TOO_LARGE: Code.FailedPrecondition,
  ORDER_NOT_CANCELLABLE: Code.FailedPrecondition,
  SAGA_NOT_RETRYABLE: Code.FailedPrecondition,
  SAGA_NOT_COMPENSATABLE: Code.FailedPrecondition,
  SAGA_NOT_RESOLVABLE: Code.FailedPrecondition,
};

import { Code } from "@connectrpc/connect";
import { type ErrorCodes, ReasonError } from "@tercet/service";

/** Reasons that a caller can act on; acme_service.proto lists those of each method. */
export type AcmeReason = "WIDGET_NAME_TAKEN";

export class AcmeError extends ReasonError<AcmeReason> {}

export const acmeErrorCodes: ErrorCodes<AcmeReason> = {
  WIDGET_NAME_TAKEN: Code.AlreadyExists,
};

/**
 * How a step can fail. The step decides, since it understands the failure; the engine never reads
 * messages. Anything else that a step throws is a defect: retried a few times, then the saga is
 * parked.
 */
export abstract class StepError extends Error {
  abstract readonly code: "RETRYABLE" | "TERMINAL" | "UNKNOWN_OUTCOME";

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** It did not happen, and may work later. */
export class RetryableError extends StepError {
  readonly code = "RETRYABLE";
}

/**
 * It did not happen, by this attempt or an earlier one, and never will: the saga compensates, and
 * this step has nothing to undo.
 */
export class TerminalError extends StepError {
  readonly code = "TERMINAL";
  /** A constant, for code: the reason of the saga's failure. */
  readonly reason: string;

  constructor(reason: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.reason = reason;
  }
}

/**
 * This attempt was refused, and others would be too, but the outcome of earlier ones is not known:
 * the saga compensates, and undoes this step too.
 */
export class RefusedError extends TerminalError {}

/**
 * It is not known whether it happened: it is retried with the same key, and undone if the saga
 * compensates.
 */
export class UnknownOutcomeError extends StepError {
  readonly code = "UNKNOWN_OUTCOME";
}

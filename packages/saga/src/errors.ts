/**
 * How a step can fail. The step decides, where the failure is understood; the engine never reads
 * messages. Anything else that a step throws is a defect: it is tried a few times, then the saga is
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
 * It did not happen, by this attempt or an earlier one, and never will: the saga turns back, and
 * this step has nothing to undo.
 */
export class TerminalError extends StepError {
  readonly code = "TERMINAL";
  /** A constant for programs: what the saga's failure is recorded as. */
  readonly reason: string;

  constructor(reason: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.reason = reason;
  }
}

/**
 * This attempt was refused, and others would be too; what became of the earlier ones is not known:
 * the saga turns back, and undoes this step too.
 */
export class RefusedError extends TerminalError {}

/**
 * Nobody knows whether it happened: it is asked again with the same key, and undone if the saga
 * turns back.
 */
export class UnknownOutcomeError extends StepError {
  readonly code = "UNKNOWN_OUTCOME";
}

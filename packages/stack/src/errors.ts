/** The system cannot be started, or go on, for a reason outside of it; the message is one clear sentence for whoever started it. */
export class StackError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "StackError";
  }
}

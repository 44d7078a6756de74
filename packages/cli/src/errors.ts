/**
 * A command cannot start or continue for a reason outside of it. The message is one sentence for
 * the person who ran it.
 */
export class CommandError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

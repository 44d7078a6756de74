import { CommandError } from "@tercet/cli";

/** The system cannot be started or kept running for a reason outside of it. */
export class StackError extends CommandError {}

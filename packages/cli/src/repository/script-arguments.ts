import type { ParseArgsConfig } from "node:util";
import { parseArguments } from "../arguments.ts";

/**
 * Parses the arguments of a script that must not load a service. Prints its usage and ends the
 * process with 0 on `--help`, and with 2 on arguments that it does not have.
 */
export function scriptArguments<const T extends ParseArgsConfig>(usage: string, config: T) {
  try {
    const parsed = parseArguments(config);
    if (!Object.hasOwn(parsed.values, "help")) return parsed;
    process.stdout.write(usage);
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n\n${usage}`);
    process.exit(2);
  }
  process.exit(0);
}

import { type ParseArgsConfig, parseArgs } from "node:util";
import { CommandError } from "./errors.ts";

const HELP = { type: "boolean", short: "h" } as const;

/** Parses the arguments of this process. Throws CommandError on what `config` does not have. */
export function parseArguments<const T extends ParseArgsConfig>(config: T) {
  try {
    return parseArgs({ ...config, options: { ...config.options, help: HELP } });
  } catch (error) {
    throw new CommandError((error as Error).message.split(". ")[0] ?? "");
  }
}

import { runCommands } from "@tercet/cli";
import { pairsCommand } from "./pairs-command.ts";
import { rollingCommand } from "./rolling-command.ts";
import { stormCommand } from "./storm-command.ts";
import { takeoverCommand } from "./takeover-command.ts";

const commands = {
  storm: stormCommand,
  pairs: pairsCommand,
  takeover: takeoverCommand,
  rolling: rollingCommand,
};

const help = `Usage: pnpm chaos [COMMAND] [options]

Injects faults into a system of its own, places orders meanwhile, and audits the result.
The exit code is 1 when an invariant was breached.

Commands:
  storm      kills, restarts and network faults at random (the default)
  pairs      kills at one failpoint, and on the retry at another, for every pair
  takeover   many Order replicas, of which some are killed and frozen
  rolling    replaces replicas one by one, while no call may fail

"pnpm chaos COMMAND --help" lists the options of a command.`;

await runCommands(commands, { help, otherwise: stormCommand });

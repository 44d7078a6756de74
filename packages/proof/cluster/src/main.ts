import { runCommands } from "@tercet/cli";
import { downCommand } from "./down-command.ts";
import { endOptionsAtProgram, runInClusterCommand } from "./run-command.ts";
import { testCommand } from "./test-command.ts";
import { upCommand } from "./up-command.ts";

const commands = {
  up: upCommand,
  test: testCommand,
  down: downCommand,
  run: runInClusterCommand,
};

const help = `Usage: pnpm cluster COMMAND [options]

A Kubernetes cluster of one node on this machine, without a registry, and what is tried in it.

Commands:
  up     starts it, and installs the charts
  test   tries it: policies, an upgrade under load, a pod killed, a drain, a rollback, a backup
  run    runs a program at it, such as kubectl
  down   ends it

"pnpm cluster COMMAND --help" lists the options of a command.`;

if (process.argv[2] === "run") endOptionsAtProgram(process.argv);
await runCommands(commands, { help });

import { type Command, CommandError, runCommand } from "@tercet/cli";
import { downCommand } from "./down-command.ts";
import { runInClusterCommand } from "./run-command.ts";
import { testCommand } from "./test-command.ts";
import { upCommand } from "./up-command.ts";

const commands: Readonly<Record<string, Command>> = {
  up: upCommand,
  test: testCommand,
  down: downCommand,
  run: runInClusterCommand,
};

const overview: Command = {
  help: `Usage: pnpm cluster COMMAND [options]

A Kubernetes cluster of one node on this machine, without a registry, and what is tried in it.

Commands:
  up     starts it, and installs the charts
  test   tries it: policies, an upgrade under load, a pod killed, a drain, a rollback, a backup
  run    runs a program at it, such as kubectl
  down   ends it

"pnpm cluster COMMAND --help" lists the options of a command.`,
  allowWords: true,
  run: ({ words }) => {
    throw new CommandError(
      words.length === 0
        ? "no command is given; see --help"
        : `there is no command "${words[0]}"; see --help`,
    );
  },
};

const [word = "--"] = process.argv.slice(2);
const named = Object.hasOwn(commands, word) ? commands[word] : undefined;
if (named !== undefined) process.argv.splice(2, 1);
// What follows the program is the program's.
if (word === "run") {
  const program = process.argv.findIndex(
    (argument, index) =>
      index > 1 && !argument.startsWith("-") && process.argv[index - 1] !== "--folder",
  );
  if (program > 0 && !process.argv.slice(2, program).includes("--"))
    process.argv.splice(program, 0, "--");
}
await runCommand(named ?? overview);

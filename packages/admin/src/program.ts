import { Command } from "commander";
import { addAccountCommands } from "./account.ts";
import { DEFAULT_URL } from "./addresses.ts";
import { auditCommand } from "./audit.ts";
import type { CommandProcess } from "./context.ts";
import { explain } from "./errors.ts";
import { orderCommands } from "./orders.ts";
import { paymentCommands } from "./payments.ts";
import { sagaCommands } from "./sagas.ts";
import { userCommands } from "./users.ts";

const NOTES = `
Variables:
  TERCET_URL           like --url
  TERCET_IDENTITY_URL, TERCET_ORDER_URL, TERCET_PAYMENT_URL
                       one address per service, where no single one has all of them:
                       a gateway for customers has no methods for operators
  XDG_CONFIG_HOME      tercet/ in it has the logins, and what makes this device known; default:
                       ~/.config
  NODE_EXTRA_CA_CERTS  further certificate authorities for https

Exit codes:
  0  done
  1  refused; the reason is the system's
  2  wrong arguments
  3  not logged in, or not any more
  4  unreachable or too late: the outcome is unknown; repeat with the same --request-id`;

/** Runs one command. Never rejects; resolves to the exit code. */
export async function runAdmin(args: readonly string[], process: CommandProcess): Promise<number> {
  try {
    await createProgram(process).parseAsync(args, { from: "user" });
    return 0;
  } catch (error) {
    const { text, exitCode } = explain(error);
    if (text !== "" && !process.signal.aborted) process.stderr.write(`${text}\n`);
    return process.signal.aborted ? 130 : exitCode;
  }
}

function createProgram(process: CommandProcess): Command {
  const program = new Command("pnpm admin")
    .description("Operates a Tercet by its API.")
    .option("--url <url>", `edge or gateway of the system; default: ${DEFAULT_URL}`)
    .option("--json", "print the API's JSON instead of tables")
    .option("--allow-http", "send passwords and tokens by http, to other machines too")
    .addHelpText("after", NOTES);
  addAccountCommands(program, process);
  const groups = [orderCommands, sagaCommands, paymentCommands, userCommands, auditCommand];
  for (const group of groups) program.addCommand(group(process));
  inherit(program, process);
  return program;
}

/** Applies to every command; commander copies settings only to those that it creates itself. */
function inherit(command: Command, process: CommandProcess): void {
  command
    .exitOverride()
    .showHelpAfterError("See --help.")
    .configureOutput({
      writeOut: (text) => void process.stdout.write(text),
      writeErr: (text) => void process.stderr.write(text),
    });
  for (const child of command.commands) inherit(child, process);
}

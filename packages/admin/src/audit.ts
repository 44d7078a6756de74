import { ROOT } from "@tercet/cli";
import { Command } from "commander";
import { execa } from "execa";
import { DEFAULT_URL } from "./addresses.ts";
import { type CommandProcess, connect } from "./context.ts";
import { AdminError, EXIT } from "./errors.ts";

const VARIABLES = ["ORDER_DATABASE_URL", "PAYMENT_DATABASE_URL"];

/**
 * The audit reads the databases and the provider's book, not the API. It is a command of its own,
 * because no product imports what proves it.
 */
export function auditCommand(process: CommandProcess): Command {
  return new Command("audit")
    .description("check that money and orders agree, where the databases can be reached")
    .allowUnknownOption()
    .argument("[options...]", "of pnpm audit:money")
    .action(async (options, _options, command) => {
      const { addresses } = connect(process, command);
      const isConfigured = VARIABLES.every((name) => process.env[name] !== undefined);
      // Its default is the system of `pnpm start`: its verdict must not be taken for another's.
      if (!isConfigured && addresses.order !== DEFAULT_URL)
        throw new AdminError(
          `the audit reads the databases of ${addresses.order}: set ${VARIABLES.join(", ")} and PROVIDER_BOOK_DIR, or run "pnpm audit:money" where they can be reached`,
          EXIT.usage,
        );
      const { exitCode } = await execa("npx", ["-y", "pnpm", "audit:money", ...options], {
        cwd: ROOT,
        stdio: "inherit",
        reject: false,
        cancelSignal: process.signal,
      });
      if (exitCode !== 0) throw new AdminError("the audit did not pass", EXIT.refused);
    });
}

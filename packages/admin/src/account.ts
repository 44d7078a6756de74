import type { Command } from "commander";
import { type CommandProcess, connect } from "./context.ts";
import { readSecrets } from "./secret.ts";
import { showUser } from "./users.ts";

/** Adds the commands of a person's own login. */
export function addAccountCommands(program: Command, process: CommandProcess): void {
  program
    .command("login")
    .description("log in; asks for the password, or reads it from standard input")
    .argument("<email>", "of an operator or administrator")
    .action(async (email, _options, command) => {
      const { session, addresses, output } = connect(process, command);
      const [password = ""] = await readSecrets(process, `Password of ${email}`);
      const login = await session.logIn(email, password);
      output.note(`logged in at ${addresses.identity} as ${login.email}`);
    });

  program
    .command("logout")
    .description("end the login, here and at the system")
    .action(async (_options, command) => {
      const { session, addresses, output } = connect(process, command);
      const login = await session.logOut();
      output.note(
        login === undefined
          ? `not logged in at ${addresses.identity}`
          : `${login.email} is logged out`,
      );
    });

  program
    .command("whoami")
    .description("show who is logged in")
    .action(async (_options, command) => {
      const { api, output } = connect(process, command);
      showUser(output, await api.identity.getMe({}));
    });

  program
    .command("set-password")
    .description("set a password with a token of users reset; asks for both, or reads two lines")
    .action(async (_options, command) => {
      const { anonymous, output } = connect(process, command);
      const questions = ["Reset token", "New password"];
      const [resetToken = "", newPassword = ""] = await readSecrets(process, ...questions);
      await anonymous.identity.resetPassword({ resetToken, newPassword });
      output.note("the password is set; log in with it");
    });
}

/**
 * The way back in when no administrator can log in: run by a person who has access to the database,
 * for example by `kubectl exec`.
 */
import { parseArgs } from "node:util";
import { connectPostgres, RequestError, runDatabaseProgram } from "@tercet/service";
import { newPasswordReset } from "./password-reset.ts";
import { postgresStore } from "./postgres-store.ts";
import { normalizeEmail } from "./user.ts";

const help = `Usage: node dist/recover-admin.js EMAIL

Makes the user with this address an enabled administrator, ends the user's sessions, and prints a
token, valid once and for an hour, with which to set a new password: pnpm admin set-password.
Anyone can register an address first (identity.v1.IdentityService/Register).

Variables:
  DATABASE_URL   Identity's database
`;

const { values, positionals } = parseArgs({
  options: { help: { type: "boolean", short: "h" } },
  allowPositionals: true,
});
const [email] = positionals;
if (values.help || email === undefined || positionals.length > 1) {
  process.stdout.write(help);
  process.exit(values.help ? 0 : 1);
}

await runDatabaseProgram("identity", async (databaseUrl) => {
  await using store = postgresStore(connectPostgres(databaseUrl, { max: 1 }));
  const { token, reset } = newPasswordReset();
  const user = await store.recoverAdmin(normalizeEmail(email), reset);
  if (user === undefined)
    throw new RequestError("NOT_FOUND", `no user has the address ${email}: register it first`);
  process.stderr.write(`${user.email} is an enabled administrator; the reset token is:\n`);
  process.stdout.write(`${token}\n`);
});

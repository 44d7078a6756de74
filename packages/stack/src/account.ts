import { execFile, type SpawnOptions } from "node:child_process";
import { promisify } from "node:util";
import { StackError } from "./errors.ts";

const run = promisify(execFile);

/** A command as another account runs it. */
export type AsAccount = (command: string, args: readonly string[]) => Command;

export interface Command {
  readonly command: string;
  readonly args: readonly string[];
  readonly options: Pick<SpawnOptions, "uid" | "gid">;
}

export interface Account {
  /** Whose the files must be; undefined when they may stay as they are. */
  readonly owner: { readonly uid: number; readonly gid: number } | undefined;
  readonly as: AsAccount;
}

/**
 * PostgreSQL refuses to run as root; then `nobody` runs it, who must be able to reach the paths.
 * Throws StackError when that cannot be.
 */
export async function chooseAccount(paths: readonly string[]): Promise<Account> {
  if (process.getuid?.() !== 0)
    return { owner: undefined, as: (command, args) => ({ command, args, options: {} }) };
  const id = async (flag: string) => Number((await run("id", [flag, "nobody"])).stdout);
  const owner = { uid: await id("-u"), gid: await id("-g") };
  const plain: AsAccount = (command, args) => ({ command, args, options: owner });
  for (const as of [plain, withAccess(owner)]) if (await reaches(as, paths)) return { owner, as };
  const where = paths.join(" and ");
  throw new StackError(
    `PostgreSQL may not run as root, and "nobody", who runs it instead, cannot reach ${where}: start as another user, or set the *_DATABASE_URL variables`,
  );
}

/**
 * In a folder of root's own (`/root`), the account is left the one capability that it needs to
 * enter: Linux only. Without the secure bit access(2), by which PostgreSQL looks for its own
 * programs, would not honour the capability.
 */
const withAccess =
  ({ uid, gid }: { uid: number; gid: number }): AsAccount =>
  (command, args) => {
    const only = "-all,+dac_override";
    const account = [
      `--reuid=${uid}`,
      `--regid=${gid}`,
      "--clear-groups",
      `--inh-caps=${only}`,
      `--ambient-caps=${only}`,
      "--securebits=+no_setuid_fixup",
    ];
    return { command: "setpriv", args: [...account, "--", command, ...args], options: {} };
  };

async function reaches(as: AsAccount, paths: readonly string[]): Promise<boolean> {
  const tests = paths.map(async (path) => {
    const { command, args, options } = as("test", ["-x", path]);
    await run(command, args, { ...options, cwd: "/" });
  });
  return await Promise.all(tests).then(
    () => true,
    () => false,
  );
}

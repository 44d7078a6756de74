import { StackError } from "./errors.ts";

/** Turns a command into one that another account runs. */
export type AsAccount = (command: string, args: readonly string[]) => Command;

export interface Command {
  readonly command: string;
  readonly args: readonly string[];
  readonly options: { readonly uid?: number; readonly gid?: number };
}

export interface Account {
  /** The owner that the files must have; undefined if they may stay as they are. */
  readonly owner: { readonly uid: number; readonly gid: number } | undefined;
  readonly as: AsAccount;
}

/**
 * Returns the account that runs PostgreSQL, which refuses to run as root: then it is `nobody`, who
 * must be able to reach the paths. Throws StackError if that account cannot.
 */
export async function chooseAccount(paths: readonly string[]): Promise<Account> {
  if (process.getuid?.() !== 0)
    return { owner: undefined, as: (command, args) => ({ command, args, options: {} }) };
  const { execa } = await import("execa");
  const id = async (flag: string) => Number((await execa("id", [flag, "nobody"])).stdout);
  const [uid, gid] = await Promise.all([id("-u"), id("-g")]);
  const owner = { uid, gid };
  const plain: AsAccount = (command, args) => ({ command, args, options: owner });
  for (const as of [plain, withAccess(owner)]) if (await reaches(as, paths)) return { owner, as };
  const where = paths.join(" and ");
  throw new StackError(
    `PostgreSQL may not run as root, and the account "nobody", which runs it instead, cannot reach ${where}: start as another user, or set the *_DATABASE_URL variables`,
  );
}

/**
 * Linux only. Leaves the account the one capability that it needs to enter a folder that only root
 * may enter. The secure bit is for access(2), with which PostgreSQL looks for its own programs:
 * without it access(2) ignores the capability.
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
  const { execa } = await import("execa");
  const tests = paths.map((path) => {
    const { command, args, options } = as("test", ["-x", path]);
    return execa(command, args, { ...options, cwd: "/", reject: false });
  });
  return (await Promise.all(tests)).every(({ failed }) => !failed);
}

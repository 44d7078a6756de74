import { type ChildProcess, spawn } from "node:child_process";
import { mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { vi } from "vitest";

/**
 * What a container engine sets up: a root, a process namespace and mounts. The network is the
 * host's.
 */
export interface Sandbox {
  /** The folder that the process sees as "/". */
  readonly root: string;
  /** Paths of the host by paths in the sandbox. */
  readonly readOnly: Readonly<Record<string, string>>;
  readonly writable: Readonly<Record<string, string>>;
  /** True: only `writable` and /tmp can be written to. */
  readonly readOnlyRoot: boolean;
  readonly user: { readonly uid: number; readonly gid: number };
  readonly workdir: string;
  readonly env: Readonly<Record<string, string>>;
}

const DEVICES = ["/dev/null", "/dev/zero", "/dev/random", "/dev/urandom"];
/** As engines set it; it also finds the programs that this file starts on the host. */
const PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/** The capabilities that installing needs. Without root there are none. */
const CAPABILITIES = "-all,+sys_chroot,+setuid,+setgid,+chown,+dac_override,+fowner";

/** Why a sandbox is not possible here; undefined if it is. */
export async function whyNoSandbox(): Promise<string | undefined> {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return "it takes Linux, and root";
  const probe = spawn(
    "unshare",
    ["--mount", "--pid", "--fork", "mount", "-t", "tmpfs", "none", "/mnt"],
    { stdio: "ignore" },
  );
  const code = await new Promise((resolve) => probe.once("close", resolve).once("error", resolve));
  return code === 0 ? undefined : "this account may make no namespaces, or not mount";
}

/** Starts a program as process 1, without a shell in between or in the sandbox. */
export async function startInSandbox(
  sandbox: Sandbox,
  command: readonly string[],
): Promise<ChildProcess> {
  const { root, readOnly, writable, user, workdir, env } = sandbox;
  for (const [path, from] of Object.entries({ ...readOnly, ...writable }))
    await makeMountPoint(root + path, (await stat(from)).isDirectory());
  for (const device of DEVICES) await makeMountPoint(root + device, false);
  for (const folder of ["/proc", "/tmp"]) await makeMountPoint(root + folder, true);
  const enter = ["setpriv", "--no-new-privs", `--bounding-set=${CAPABILITIES}`];
  const change = [
    "unshare",
    `--root=${root}`,
    `--wd=${workdir}`,
    `--setgid=${user.gid}`,
    `--setuid=${user.uid}`,
  ];
  const args = ["-euc", mountScript(sandbox), "sandbox", ...enter, ...change, ...command];
  return spawn("unshare", ["--mount", "--pid", "--fork", "--kill-child", "sh", ...args], {
    env: { PATH, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
}

async function makeMountPoint(path: string, isFolder: boolean): Promise<void> {
  await mkdir(isFolder ? path : dirname(path), { recursive: true });
  if (!isFolder) await writeFile(path, "", { flag: "a" });
}

function mountScript({ root, readOnly, writable, readOnlyRoot }: Sandbox): string {
  const at = (path: string) => quote(join(root, path));
  const bind = (from: string, path: string) => `mount --bind ${quote(from)} ${at(path)}`;
  const seal = (path: string) => `mount -o remount,bind,ro ${at(path)}`;
  return [
    // A bind mount on itself, as only a mount can be made read-only.
    bind(root, "/"),
    ...Object.entries(readOnly).flatMap(([path, from]) => [bind(from, path), seal(path)]),
    ...Object.entries(writable).map(([path, from]) => bind(from, path)),
    ...DEVICES.map((device) => bind(device, device)),
    `mount -t proc proc ${at("/proc")}`,
    `mount -t tmpfs -o mode=1777 tmpfs ${at("/tmp")}`,
    ...(readOnlyRoot ? [seal("/")] : []),
    'exec "$@"',
  ].join("\n");
}

const quote = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

/** The host's id of process 1 in the sandbox. */
export async function processOne({ pid }: ChildProcess): Promise<number> {
  const children = () => readFile(`/proc/${pid}/task/${pid}/children`, "utf8").catch(() => "");
  return await vi.waitUntil(async () => Number((await children()).trim()), { timeout: 10_000 });
}

import { spawn } from "node:child_process";
import { once } from "node:events";
import { openSync } from "node:fs";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { basename } from "node:path";
import { CommandError } from "@tercet/cli";
import { execa } from "execa";
import type { ClusterFolder } from "./folder.ts";
import { waitFor } from "./wait.ts";

/**
 * Namespaces for mounts, processes and the network, in which everything of the cluster runs. When
 * process 1 of the box ends, the kernel ends its processes, mounts, interfaces and firewall rules.
 */
export interface Box {
  /** Of process 1, as this machine numbers it. */
  readonly pid: number;
}

/** The address of the node. */
export const NODE_IP = "10.99.0.1";

/** The box of a folder is found by these arguments of its process 1. */
const MARK = "tercet-cluster-box";
const START_LIMIT_MS = 20_000;
const END_LIMIT_MS = 20_000;

/**
 * What kubelet would set for the whole machine. In the box files are mounted over them that have
 * these values already, so the machine keeps its own.
 */
const SYSCTLS: Readonly<Record<string, number>> = {
  "vm/overcommit_memory": 1,
  "vm/panic_on_oom": 0,
  "kernel/panic": 10,
  "kernel/panic_on_oops": 1,
  "kernel/keys/root_maxkeys": 1_000_000,
  "kernel/keys/root_maxbytes": 25_000_000,
};

const SCRIPT = `set -e
folder=$2
mount -t tmpfs -o mode=755 tmpfs /run
mount --bind "$folder/log" /var/log
${Object.keys(SYSCTLS)
  .map((name) => `mount --bind "$folder/sysctl/${basename(name)}" /proc/sys/${name}`)
  .join("\n")}
echo 1 >/proc/sys/net/ipv4/ip_forward
ip link set lo up
# Not of type dummy, which some kernels lack.
ip link add node0 type veth peer name node0-other
ip link set node0-other up
ip address add ${NODE_IP}/32 dev node0
ip link set node0 up
# Addresses of Services must lead somewhere before the firewall rewrites them.
ip route add default dev node0
touch "$folder/box-is-ready"
sleep infinity &
wait
`;

export async function startBox(folder: ClusterFolder, signal: AbortSignal): Promise<Box> {
  for (const name of ["log", "sysctl"]) await mkdir(folder.at(name), { recursive: true });
  for (const [name, value] of Object.entries(SYSCTLS))
    await writeFile(folder.at("sysctl", basename(name)), `${value}\n`);
  await rm(folder.at("box-is-ready"), { force: true });
  for (const group of await controlGroups(folder)) await mkdir(group, { recursive: true });
  const said = openSync(folder.at("box.log"), "w");
  spawn(
    "unshare",
    [
      ...["--mount", "--pid", "--net", "--fork", "--kill-child", "--mount-proc"],
      ...["sh", "-c", SCRIPT, "box", MARK, folder.path],
    ],
    { detached: true, stdio: ["ignore", said, said] },
  ).unref();
  const ready = async () =>
    (await readFile(folder.at("box-is-ready")).then(() => findBox(folder)))?.pid;
  const explain = () => readFile(folder.at("box.log"), "utf8");
  const pid = await waitFor("the namespaces of the cluster were not made", ready, {
    timeoutMs: START_LIMIT_MS,
    signal,
    explain,
  });
  return { pid };
}

/** Returns the box of a folder; undefined if none runs, also if this machine was started anew. */
export async function findBox(folder: ClusterFolder): Promise<Box | undefined> {
  for (const name of await readdir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const words = (await textOf(`/proc/${name}/cmdline`)).split("\0");
    if (words[0] !== "sh" || !words.includes(MARK) || !words.includes(folder.path)) continue;
    // Process 1 of a namespace: "NSpid: 1234 1".
    if (/^NSpid:.*\t1$/m.test(await textOf(`/proc/${name}/status`))) return { pid: Number(name) };
  }
  return undefined;
}

/** Ends a box and what is in it, and removes its control groups. */
export async function endBox(folder: ClusterFolder): Promise<void> {
  const box = await findBox(folder);
  if (box !== undefined) process.kill(box.pid, "SIGKILL");
  const options = { timeoutMs: END_LIMIT_MS, signal: AbortSignal.timeout(END_LIMIT_MS) };
  await waitFor(
    "processes of the cluster did not end",
    async () => (await findBox(folder)) === undefined,
    options,
  );
  const remove = async () => {
    const groups = ["/sys/fs/cgroup", "-depth", "-type", "d", "-path", `*/${groupOf(folder)}*`];
    await execa("find", [...groups, "-exec", "rmdir", "{}", "+"], { reject: false });
    const { stdout } = await execa("find", groups, { reject: false });
    return stdout === "";
  };
  await waitFor("control groups of the cluster could not be removed", remove, options);
}

const textOf = (path: string): Promise<string> => readFile(path, "utf8").catch(() => "");

/** The control group of the pods of a cluster: `/` and this, in each hierarchy. */
export function groupOf(folder: ClusterFolder): string {
  const safe = folder.path.replaceAll(/[^A-Za-z0-9]+/g, "-");
  return `tercet-cluster${safe}`;
}

async function controlGroups(folder: ClusterFolder): Promise<string[]> {
  const root = "/sys/fs/cgroup";
  const names = await readdir(root);
  // Version 2 has one hierarchy.
  if (names.includes("cgroup.controllers")) return [`${root}/${groupOf(folder)}`];
  const hierarchies: string[] = [];
  for (const name of names)
    if ((await textOf(`${root}/${name}/cgroup.procs`)) !== "" && name !== "unified")
      hierarchies.push(`${root}/${name}/${groupOf(folder)}`);
  return hierarchies;
}

/** The arguments with which a program runs in the network of the box, with this machine's files. */
export const inNetwork = ({ pid }: Box): string[] => [`--net=/proc/${pid}/ns/net`, "--"];

/** The same for all of its namespaces. */
const inBox = ({ pid }: Box): string[] => ["--target", `${pid}`, "--mount", "--pid", "--net", "--"];

/** Runs a program in the box to its end; resolves to what it wrote. Throws CommandError. */
export async function runInBox(
  box: Box,
  command: readonly string[],
  { signal, timeoutMs }: { readonly signal: AbortSignal; readonly timeoutMs: number },
): Promise<string> {
  const { exitCode, all } = await execa("nsenter", [...inBox(box), ...command], {
    ...{ stdin: "ignore", all: true, reject: false, killSignal: "SIGKILL" },
    ...{ cancelSignal: signal, timeout: timeoutMs },
  });
  if (exitCode !== 0) throw new CommandError(`${command.join(" ").slice(0, 200)}: ${all}`);
  return all;
}

/** A program that runs until the box ends. */
export interface Daemon {
  readonly name: string;
  readonly logFile: string;
  /** Throws CommandError, with the end of its log, if it has ended. */
  check(): Promise<void>;
}

/** Starts a program in the box that outlives this process. */
export function startInBox(
  box: Box,
  folder: ClusterFolder,
  [name, ...args]: readonly [string, ...string[]],
): Daemon {
  const logFile = folder.at("log", `${name}.log`);
  const log = openSync(logFile, "a");
  const child = spawn("nsenter", [...inBox(box), name, ...args], {
    detached: true,
    cwd: folder.path,
    stdio: ["ignore", log, log],
  });
  let ended: string | undefined;
  void once(child, "close").then(
    ([code, signal]) => {
      ended = `ended with ${code ?? signal}`;
    },
    (error: Error) => {
      ended = error.message;
    },
  );
  child.unref();
  return {
    name,
    logFile,
    check: async () => {
      if (ended !== undefined)
        throw new CommandError(`${name} ${ended}:\n${(await textOf(logFile)).slice(-2_000)}`);
    },
  };
}

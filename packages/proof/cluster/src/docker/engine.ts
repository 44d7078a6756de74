import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { onPath, temporaryFolder } from "@tercet/cli";
import { execa } from "execa";

/** A container engine with Docker's commands. Disposal removes what was made with it. */
export interface Engine extends AsyncDisposable {
  /** Such as "Docker 20.10.24, started for this test". */
  readonly name: string;
  /** Runs `docker` to its end. Never rejects. */
  docker(args: readonly string[], options?: EngineRun): Promise<EngineResult>;
  /**
   * Starts the engine anew with a network of its own, which leads nowhere: no port of this machine
   * is taken. Undefined for an engine that was there before.
   */
  readonly isolate: (() => Promise<Isolated>) | undefined;
}

/** How a program is run inside of the engine's network, with the engine's address. */
export interface Isolated {
  readonly run: (command: readonly string[], options?: EngineRun) => Promise<EngineResult>;
}

export interface EngineRun {
  readonly cwd?: string;
  readonly input?: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly timeoutMs?: number;
}

export interface EngineResult {
  /** Undefined if it was killed, or could not be started. */
  readonly code: number | undefined;
  readonly stdout: string;
  /** Standard output and standard error. */
  readonly said: string;
}

/** The time limit of one command; an image is built in it. */
const LIMIT_MS = 900_000;
const START_LIMIT_MS = 60_000;
/** Containers and images of a test have this label: what is left is found by it. */
export const LABEL = "tercet.test";

/** Why there is no engine to be used or started; undefined if there is one. Starts one to see. */
export async function whyNoEngine(): Promise<string | undefined> {
  if (process.platform !== "linux") return "it takes Linux, whose network containers can share";
  if ((await runningEngine()) !== undefined) return undefined;
  if ((await onPath("dockerd")) === undefined)
    return "Docker does not run, and dockerd (docker.io) is not installed";
  if (process.getuid?.() !== 0) return "Docker does not run, and only root can start it";
  try {
    await using _ = await ownEngine();
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

/** Whether an engine runs on this machine, whose ports then are the machine's. */
export const isRunning = async (): Promise<boolean> => (await runningEngine()) !== undefined;

/** Returns the engine of this machine if one is running; else starts a Docker of its own. */
export const startEngine = async (): Promise<Engine> =>
  (await runningEngine()) ?? (await ownEngine());

async function runningEngine(): Promise<Engine | undefined> {
  const docker = dockerOf("docker", { DOCKER_BUILDKIT: "1" });
  const { code, stdout } = await docker(["version", "--format", "{{.Server.Version}}"]);
  return code === 0 ? machineEngine(docker, stdout.trim()) : undefined;
}

const dockerOf =
  (client: string, ownEnv: Readonly<Record<string, string>>) =>
  async (args: readonly string[], options: EngineRun = {}): Promise<EngineResult> =>
    await execute(client, args, { ...options, env: { ...ownEnv, ...options.env } });

async function execute(
  program: string,
  args: readonly string[],
  { timeoutMs = LIMIT_MS, input, ...options }: EngineRun = {},
): Promise<EngineResult> {
  const { exitCode, stdout, all } = await execa(program, args, {
    ...options,
    ...(input === undefined ? { stdin: "ignore" } : { input }),
    timeout: timeoutMs,
    killSignal: "SIGKILL",
    all: true,
    reject: false,
  });
  return { code: exitCode, stdout: stdout ?? "", said: all ?? "" };
}

function machineEngine(docker: Engine["docker"], version: string): Engine {
  return {
    name: `Docker ${version}, of this machine`,
    docker,
    isolate: undefined,
    [Symbol.asyncDispose]: async () => {
      const filter = ["--filter", `label=${LABEL}`];
      const ids = async (...list: string[]) =>
        (await docker([...list, "--quiet", ...filter])).stdout.split("\n").filter(Boolean);
      const containers = await ids("ps", "--all");
      if (containers.length > 0) await docker(["rm", "--force", "--volumes", ...containers]);
      const images = await ids("images");
      if (images.length > 0) await docker(["rmi", "--force", ...new Set(images)]);
    },
  };
}

/** Debian's docker.io has the client that builds with this daemon; PATH may have another first. */
const DEBIANS_CLIENT = "/usr/bin/docker";

/**
 * Starts Docker in a folder and in namespaces of its own: its mounts and processes end with it, and
 * it makes no bridge and no rule of the machine's firewall.
 */
async function ownEngine(): Promise<Engine> {
  const folder = await temporaryFolder("engine");
  const socket = `unix://${join(folder.path, "docker.sock")}`;
  const docker = dockerOf(DEBIANS_CLIENT, { DOCKER_HOST: socket, DOCKER_BUILDKIT: "1" });
  // Instead of this machine's configuration.
  await writeFile(join(folder.path, "daemon.json"), "{}");
  let daemon = startDaemon(folder.path, socket, SHARED);
  const stop = async () => {
    await stopDaemon(daemon);
    await removeControlGroups(basename(folder.path));
    // They name processes by numbers that are others' in the next namespace.
    for (const name of ["run", "pid", "docker.sock"])
      await rm(join(folder.path, name), { recursive: true, force: true });
  };
  try {
    await untilUp(daemon, docker);
    const { stdout } = await docker(["version", "--format", "{{.Server.Version}}"]);
    return {
      name: `Docker ${stdout.trim()}, started for this test`,
      docker,
      isolate: async () => {
        await stop();
        daemon = startDaemon(folder.path, socket, ALONE);
        await untilUp(daemon, docker);
        return { run: inNetworkOf(daemon, socket) };
      },
      [Symbol.asyncDispose]: async () => {
        await stop();
        await folder[Symbol.asyncDispose]();
      },
    };
  } catch (error) {
    await stop();
    await folder[Symbol.asyncDispose]();
    throw error;
  }
}

interface Network {
  /** Options of unshare. */
  readonly namespaces: readonly string[];
  /** Run by the shell before the daemon. */
  readonly before: string;
  /** Options of dockerd. */
  readonly options: readonly string[];
}

/** Containers share this machine's network: they reach its registries, and PostgreSQL. */
const SHARED: Network = {
  namespaces: [],
  before: "",
  options: ["--bridge=none", "--iptables=false", "--ip-forward=false"],
};
/** A network namespace, with what Docker makes in it: bridges, and rules of the firewall. */
const ALONE: Network = { namespaces: ["--net"], before: "ip link set lo up; ", options: [] };

/**
 * Process 1 of the namespaces is a shell, which reaps; when it is killed, so are all processes
 * there. It is killed when this process ends, however it ends.
 */
function startDaemon(folder: string, socket: string, network: Network): ChildProcess {
  const at = (name: string) => join(folder, name);
  const daemon = [
    ...["dockerd", `--host=${socket}`, `--pidfile=${at("pid")}`],
    ...[
      `--data-root=${at("data")}`,
      `--exec-root=${at("run")}`,
      `--config-file=${at("daemon.json")}`,
    ],
    // Removed by it afterwards.
    `--cgroup-parent=/${basename(folder)}`,
    ...["--ip6tables=false", ...network.options],
  ];
  const script = `${network.before}"$@" & wait`;
  return spawn(
    "setpriv",
    [
      ...["--pdeathsig", "KILL", "unshare"],
      ...["--mount", "--pid", "--fork", "--kill-child", "--mount-proc", ...network.namespaces],
      ...["sh", "-c", script, "engine", ...daemon],
    ],
    { stdio: ["ignore", "ignore", "pipe"] },
  );
}

async function stopDaemon(daemon: ChildProcess): Promise<void> {
  if (daemon.exitCode !== null || daemon.signalCode !== null) return;
  const closed = once(daemon, "close");
  daemon.kill("SIGKILL");
  await closed;
}

/** Those of containers that were killed remain. */
async function removeControlGroups(name: string): Promise<void> {
  const groups = ["/sys/fs/cgroup", "-depth", "-type", "d", "-path", `*/${name}*`];
  await execute("find", [...groups, "-exec", "rmdir", "{}", "+"]);
}

async function untilUp(daemon: ChildProcess, docker: Engine["docker"]): Promise<void> {
  const said: string[] = [];
  daemon.stderr?.on("data", (chunk) => void said.push(String(chunk)));
  const deadline = Date.now() + START_LIMIT_MS;
  while ((await docker(["version"], { timeoutMs: 10_000 })).code !== 0) {
    if (daemon.exitCode !== null || Date.now() > deadline)
      throw new Error(`dockerd did not start:\n${said.join("").slice(-2_000)}`);
    await sleep(200);
  }
}

/** Runs programs of this machine in the network where the daemon's containers are published. */
const inNetworkOf =
  ({ pid }: ChildProcess, socket: string): Isolated["run"] =>
  async ([program = "", ...args], { env, ...options } = {}) =>
    await execute("nsenter", [`--net=/proc/${pid}/ns/net`, "--", program, ...args], {
      ...options,
      env: { DOCKER_HOST: socket, ...env },
    });

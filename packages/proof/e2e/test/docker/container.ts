import { type Engine, type EngineResult, LABEL } from "@tercet/cluster";

export interface ContainerOptions {
  readonly image: string;
  readonly env: Readonly<Record<string, string>>;
  /** Instead of the image's CMD. */
  readonly command?: readonly string[];
  /** Paths at which there is a new volume; or `FILE:PATH:ro`, for a file of this machine. */
  readonly volumes?: readonly string[];
}

export interface Container {
  exec(command: readonly string[]): Promise<EngineResult>;
  logs(): Promise<string>;
  signal(name: string): Promise<void>;
  /** Resolves to its exit code when it has ended. */
  ended(): Promise<number>;
  copyOut(from: string, to: string): Promise<void>;
  /** Ends it, if it runs. */
  remove(): Promise<void>;
}

/** What infra/compose.yaml and the charts restrict. */
const CONFINED = [
  "--read-only",
  "--tmpfs=/tmp",
  "--cap-drop=ALL",
  "--security-opt=no-new-privileges",
  "--pids-limit=256",
  "--memory=512m",
];

/** Starts a container in this machine's network. */
export async function startContainer(
  engine: Engine,
  { image, env, command = [], volumes = [] }: ContainerOptions,
): Promise<Container> {
  const options = [
    ...Object.entries(env).flatMap(([name, value]) => ["--env", `${name}=${value}`]),
    ...volumes.flatMap((path) => ["--volume", path]),
  ];
  const { code, stdout, said } = await engine.docker([
    ...["run", "--detach", "--network=host", `--label=${LABEL}`, ...CONFINED, ...options],
    ...[image, ...command],
  ]);
  if (code !== 0) throw new Error(`${image} cannot be started: ${said}`);
  const id = stdout.trim();
  return {
    exec: (words) => engine.docker(["exec", id, ...words]),
    logs: async () => (await engine.docker(["logs", id])).said,
    signal: async (name) => void (await engine.docker(["kill", `--signal=${name}`, id])),
    ended: async () => Number((await engine.docker(["wait", id])).stdout),
    copyOut: async (from, to) => void (await engine.docker(["cp", `${id}:${from}`, to])),
    remove: async () => void (await engine.docker(["rm", "--force", "--volumes", id])),
  };
}

import { createWriteStream } from "node:fs";
import { freePort, LOOPBACK, type ProgressListener, silentListener } from "@tercet/cli";
import type { Env } from "@tercet/service";
import { portNames, type ServiceName, type StackConfig, serviceNames } from "./config.ts";
import { type DataFolder, openDataFolder } from "./data-folder.ts";
import { checkDatabases, ensureDatabases } from "./databases.ts";
import { type Edge, startEdge } from "./edge.ts";
import { eventOf, readable } from "./log-line.ts";
import { DATABASES, type Places, placesOf } from "./places.ts";
import { settlePorts } from "./ports.ts";
import { type EmbeddedPostgres, startPostgres, stopLeftOver } from "./postgres.ts";
import { loadSecrets, type SeededUserName, seededUsers } from "./secrets.ts";
import { seedCatalog } from "./seed.ts";
import { type Exit, type ServiceProcess, startServiceProcess } from "./service-process.ts";
import { mainOf, serviceEnvs } from "./services.ts";
import { type Supervised, Supervisor } from "./supervisor.ts";

export interface StartOptions {
  readonly listener?: ProgressListener;
  /** Gives the start up. */
  readonly signal?: AbortSignal;
}

export interface StackUser {
  readonly email: string;
  readonly password: string;
  readonly roles: readonly string[];
}

/** The whole system, running. Disposing of it drains it: the edge, the services, the database. */
export interface Stack extends Places, AsyncDisposable {
  readonly urls: Readonly<Record<ServiceName | "edge", string>>;
  readonly users: Readonly<Record<SeededUserName, StackUser>>;
  readonly dataDir: string;
  readonly services: Readonly<Record<ServiceName, StackProcess>>;
  /** Undefined when every database is somebody else's. */
  readonly postgres: StackProcess | undefined;
  /** The environment of a service's processes, besides HOST and PORT. */
  envOf(name: ServiceName): Env;
  /**
   * One more process of a service, at a free port; it ends with the stack. `env` goes over the
   * stack's own.
   */
  startReplica(name: ServiceName, env?: Env): Promise<ServiceProcess>;
}

/** A process of the stack, across its restarts. */
export interface StackProcess {
  /** Undefined while it is down. */
  readonly pid: number | undefined;
  /**
   * Sends a signal, by default SIGKILL, and waits until the process has ended. What is supervised
   * is started again; see `ready`.
   */
  kill(signal?: NodeJS.Signals): Promise<Exit>;
  /** Drains it; it stays down until `start`. */
  stop(): Promise<void>;
  start(): Promise<void>;
  /** Resolves when it is up, at once if it is. */
  ready(): Promise<void>;
}

/** How long the processes of a stack that was killed may take to end. */
const PATIENCE_MS = 15_000;
/** Shorter than a service's own: a person waits for the prompt. */
const DRAIN_TIMEOUT_MS = "5000";
/**
 * In every log line, unless another is given: its processes run as they would in production, but it
 * is not.
 */
const ENVIRONMENT = "development";

/** Throws StackError or ConfigError, having stopped what it had started. */
export async function startStack(
  config: StackConfig,
  { listener = silentListener, signal }: StartOptions = {},
): Promise<Stack> {
  await using starting = new AsyncDisposableStack();
  const folder = starting.use(await openDataFolder(config.dataDir));
  const embedded = serviceNames.filter((name) => config.databaseUrls[name] === undefined);
  await stopLeftOver(folder.file("postgres"));
  const used = portNames.filter((name) => name !== "postgres" || embedded.length > 0);
  const settle = () => settlePorts(config.ports, used, folder.leftBehind ? PATIENCE_MS : 0, signal);
  const ports = await (folder.leftBehind
    ? listener.progress("waiting for the processes of the stack that was killed", settle)
    : settle());
  const secrets = await loadSecrets(folder.file("secrets.json"));
  const context: Context = { config, folder, listener, signal };

  const postgres =
    embedded.length === 0 ? undefined : starting.use(supervisePostgres(context, ports.postgres));
  await provideDatabases(context, postgres, embedded);
  const { databaseUrls, bookDir } = placesOf({ ...config, dataDir: folder.path, ports });
  const urls = {
    identity: urlOf(ports.identity),
    order: urlOf(ports.order),
    payment: urlOf(ports.payment),
  };
  const envs = serviceEnvs({ urls, databaseUrls, secrets, bookDir });
  const envOf = (name: ServiceName): Env => ({
    DRAIN_TIMEOUT_MS,
    ENVIRONMENT,
    OTEL_SERVICE_NAME: name,
    ...envs[name],
    ...config.serviceEnv[name],
  });

  let edge: Edge | undefined;
  // The edge stops listening first and is closed last: answers to calls under way go through it.
  starting.defer(async () => await edge?.[Symbol.asyncDispose]());
  const supervise = (name: ServiceName) =>
    superviseService(context, name, ports[name], envOf(name));
  const supervisors = {
    identity: supervise("identity"),
    order: supervise("order"),
    payment: supervise("payment"),
  };
  starting.defer(
    async () => void (await Promise.all([supervisors.identity.stop(), supervisors.payment.stop()])),
  );
  starting.use(supervisors.order);
  const replicas = starting.use(new AsyncDisposableStack());
  await Promise.all(
    serviceNames.map((name) => listener.progress(name, () => supervisors[name].start(signal))),
  );

  const front = await listener.progress("edge", () =>
    startEdge({ port: ports.edge, upstreams: urls }),
  );
  edge = front;
  starting.defer(() => front.drain());
  const users = usersWith(secrets.passwords);
  await listener.progress("catalog", () => seedCatalog(front.url, users.olivia));
  signal?.throwIfAborted();

  const running = starting.move();
  return {
    urls: { ...urls, edge: front.url },
    users,
    bookDir,
    dataDir: folder.path,
    databaseUrls,
    services: {
      identity: handle(supervisors.identity),
      order: handle(supervisors.order),
      payment: handle(supervisors.payment),
    },
    postgres: postgres && handle(postgres),
    envOf,
    startReplica: async (name, env = {}) => {
      const port = await freePort();
      return replicas.use(
        await startService(context, `${name}-${port}`, {
          name,
          port,
          env: { ...envOf(name), ...env },
        }),
      );
    },
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

interface Context {
  readonly config: StackConfig;
  readonly folder: DataFolder;
  readonly listener: ProgressListener;
  readonly signal: AbortSignal | undefined;
}

const urlOf = (port: number): string => `http://${LOOPBACK}:${port}`;

/** Those that are somebody else's must answer; the embedded ones are made when missing. */
async function provideDatabases(
  { config, listener, signal }: Context,
  postgres: Supervisor<EmbeddedPostgres> | undefined,
  embedded: readonly ServiceName[],
): Promise<void> {
  await checkDatabases(config.databaseUrls);
  const server = await (postgres && listener.progress("PostgreSQL", () => postgres.start(signal)));
  if (server !== undefined)
    await ensureDatabases(
      server.databaseUrl("postgres"),
      embedded.map((name) => DATABASES[name]),
    );
}

function supervisePostgres(
  { config, folder, listener }: Context,
  port: number,
): Supervisor<EmbeddedPostgres> {
  const file = createWriteStream(folder.file("logs", "postgres.log"), { flags: "a" }).on(
    "error",
    () => {},
  );
  return new Supervisor<EmbeddedPostgres>({
    start: () =>
      startPostgres({
        folder: folder.file("postgres"),
        port,
        onLog: (line) => void file.write(`${line}\n`),
      }),
    restart: config.supervise,
    ...told("PostgreSQL", listener),
  });
}

function superviseService(
  context: Context,
  name: ServiceName,
  port: number,
  env: Env,
): Supervisor<ServiceProcess> {
  const supervisor: Supervisor<ServiceProcess> = new Supervisor<ServiceProcess>({
    start: (signal) =>
      startService({ ...context, signal }, name, {
        name,
        port,
        env,
        isUp: () => supervisor.current !== undefined,
      }),
    restart: context.config.supervise,
    ...told(name, context.listener),
  });
  return supervisor;
}

interface Starting {
  readonly name: ServiceName;
  readonly port: number;
  readonly env: Env;
  readonly isUp?: () => boolean;
}

function startService(
  { folder, listener, signal }: Context,
  label: string,
  { name, port, env, isUp = () => true }: Starting,
): Promise<ServiceProcess> {
  const onLine = (line: string) => {
    // What it says on stderr before it is up is in the error of the start.
    const shown = line.startsWith("{") || isUp() ? readable(label, line) : undefined;
    if (shown !== undefined) listener.notice(shown, eventOf(line));
  };
  return startServiceProcess({
    name: label,
    main: mainOf(name),
    telemetry: true,
    port,
    env,
    logFile: folder.file("logs", `${label}.log`),
    onLine,
    signal,
  });
}

/** A death in one sentence. */
const told = (name: string, { notice }: ProgressListener) => ({
  onDied: (how: string, delayMs: number | undefined) =>
    notice(
      `${name} ended unexpectedly (${how})${delayMs === undefined ? "" : `; starting it again in ${delayMs / 1000} s`}`,
    ),
  onStartFailed: (error: unknown, delayMs: number) =>
    notice(
      `${name} could not be started again, next try in ${delayMs / 1000} s: ${error instanceof Error ? error.message : error}`,
    ),
  onRestarted: ({ pid }: Supervised) => notice(`${name} is up again (process ${pid})`),
});

function handle<T extends Supervised>(supervisor: Supervisor<T>): StackProcess {
  return {
    get pid() {
      return supervisor.current?.pid;
    },
    kill: async (signal = "SIGKILL") => {
      const { pid, exited } = await supervisor.up();
      process.kill(pid, signal);
      return await exited;
    },
    stop: () => supervisor.stop(),
    start: async () => void (await supervisor.start()),
    ready: async () => void (await supervisor.up()),
  };
}

function usersWith(
  passwords: Readonly<Record<SeededUserName, string>>,
): Record<SeededUserName, StackUser> {
  const entries = seededUsers.map(({ name, email, roles }) => [
    name,
    { email, roles, password: passwords[name] },
  ]);
  return Object.fromEntries(entries) as Record<SeededUserName, StackUser>;
}

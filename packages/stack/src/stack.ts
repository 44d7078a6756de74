import { freePort, type ProgressListener, silentListener } from "@tercet/cli";
import { type ConsoleSettings, consoleFolder } from "@tercet/console-server";
import type { Env } from "@tercet/service";
import {
  portNames,
  recordOf,
  type ServiceName,
  type StackConfig,
  type StackPorts,
  serviceNames,
} from "./config.ts";
import { type DataFolder, openDataFolder } from "./data-folder.ts";
import { checkDatabases, ensureDatabases } from "./databases.ts";
import { type Edge, type EdgeOptions, startEdge } from "./edge.ts";
import { stopLeftOver } from "./left-over.ts";
import { eventOf, readable } from "./log-line.ts";
import { DATABASES, type Places, placesOf } from "./places.ts";
import { settlePorts, urlOf } from "./ports.ts";
import { type EmbeddedPostgres, postgresOf, startPostgres } from "./postgres.ts";
import { loadSecrets, type Secrets, type SeededUserName, seededUsers } from "./secrets.ts";
import { seedCatalog } from "./seed.ts";
import { type Exit, type ServiceProcess, startServiceProcess } from "./service-process.ts";
import { calleesFirst, scriptOf, serviceEnvs } from "./services.ts";
import { type Supervised, Supervisor } from "./supervisor.ts";

export interface StartOptions {
  readonly listener?: ProgressListener;
  /** Aborts the start. */
  readonly signal?: AbortSignal;
  /** What the edge serves besides the services and the console. */
  readonly site?: Pick<EdgeOptions, "extend"> & { readonly console?: ConsoleSettings };
}

export interface StackUser {
  readonly email: string;
  readonly password: string;
  readonly roles: readonly string[];
}

/** The running system. Disposing of it drains the edge, then the services, then the database. */
export interface Stack extends Places, AsyncDisposable {
  readonly urls: Readonly<Record<ServiceName | "edge", string>>;
  readonly ports: StackPorts;
  readonly users: Readonly<Record<SeededUserName, StackUser>>;
  readonly dataDir: string;
  readonly services: Readonly<Record<ServiceName, StackProcess>>;
  /** Undefined if the embedded PostgreSQL is not used. */
  readonly postgres: StackProcess | undefined;
  /** Returns the environment of a service's processes, without HOST and PORT. */
  envOf(name: ServiceName): Env;
  /** Starts one more process of a service, on a free port; it ends with the stack. */
  startReplica(name: ServiceName, env?: Env): Promise<ServiceProcess>;
}

/** A process of the stack, across restarts. */
export interface StackProcess {
  /** Undefined while it is down. */
  readonly pid: number | undefined;
  /**
   * Sends a signal, by default SIGKILL, and waits until the process has ended. If it is supervised,
   * it restarts: see `ready`.
   */
  kill(signal?: NodeJS.Signals): Promise<Exit>;
  /** Drains it and keeps it down until `start`. */
  stop(): Promise<void>;
  start(): Promise<void>;
  /** Resolves as soon as it is up. */
  ready(): Promise<void>;
}

/** Limit for the processes of a killed stack to end. */
const PATIENCE_MS = 15_000;
/** Shorter than a service's default: a person waits for the prompt. */
const DRAIN_TIMEOUT_MS = "5000";
/** The services run with NODE_ENV=production, which would log "production" here. */
const ENVIRONMENT = "development";

/** Starts the system. Throws StackError or ConfigError, after stopping what was started. */
export async function startStack(
  config: StackConfig,
  { listener = silentListener, signal, site = {} }: StartOptions = {},
): Promise<Stack> {
  await using starting = new AsyncDisposableStack();
  const folder = starting.use(await openDataFolder(config.dataDir));
  const embedded = serviceNames.filter((name) => config.databaseUrls[name] === undefined);
  await stopLeftOver(folder.file("postgres"), listener);
  const used = portNames.filter((name) => name !== "postgres" || embedded.length > 0);
  const ports = folder.leftBehind
    ? await listener.progress("waiting for the processes of the stack that was killed", () =>
        settlePorts(config.ports, used, PATIENCE_MS, signal),
      )
    : await settlePorts(config.ports, used, 0, signal);
  const secrets = await loadSecrets(folder.file("secrets.json"));
  const context: Context = { config, folder, listener, signal };

  const postgres =
    embedded.length === 0
      ? undefined
      : starting.use(supervisePostgres(context, ports.postgres, secrets));
  await provideDatabases(context, postgres, embedded);
  const { databaseUrls, bookDir } = placesOf({ ...config, dataDir: folder.path, ports }, secrets);
  const urls = recordOf(serviceNames, (name) => urlOf(ports[name]));
  const envs = serviceEnvs({ urls, databaseUrls, secrets, bookDir });
  const envOf = (name: ServiceName): Env => ({
    DRAIN_TIMEOUT_MS,
    // All connections come from the loopback interface.
    MAX_CONNECTIONS_PER_ADDRESS: "2000",
    ENVIRONMENT,
    CORS_ORIGINS: config.corsOrigins.join(","),
    OTEL_SERVICE_NAME: name,
    ...envs[name],
    ...config.serviceEnv[name],
  });

  let edge: Edge | undefined;
  // The edge stops listening first and is closed last: responses to calls in flight pass it.
  starting.defer(async () => await edge?.[Symbol.asyncDispose]());
  const supervisors = recordOf(serviceNames, (name) =>
    superviseService(context, name, ports[name], {
      ...envOf(name),
      ...(name === "payment" && { GRPC_PORT: String(ports.payment_grpc) }),
    }),
  );
  // Callers stop first: their calls in flight need those that they call.
  for (const names of calleesFirst())
    starting.defer(
      async () => void (await Promise.all(names.map((name) => supervisors[name].stop()))),
    );
  const replicas = starting.use(new AsyncDisposableStack());
  await Promise.all(
    serviceNames.map((name) => listener.progress(name, () => supervisors[name].start(signal))),
  );

  const front = await listener.progress("edge", () =>
    startEdge({
      port: ports.edge,
      grpcPort: ports.edge_grpc,
      upstreams: urls,
      corsOrigins: config.corsOrigins,
      console: { folder: consoleFolder(), settings: site.console ?? {} },
      ...(site.extend && { extend: site.extend }),
    }),
  );
  edge = front;
  starting.defer(() => front.drain());
  const users = Object.fromEntries(
    seededUsers.map(({ name, email, roles }): [SeededUserName, StackUser] => [
      name,
      { email, roles, password: secrets.passwords[name] },
    ]),
  ) as Record<SeededUserName, StackUser>;
  await listener.progress("catalog", () => seedCatalog(front.url, users.olivia));
  signal?.throwIfAborted();

  const running = starting.move();
  return {
    urls: { ...urls, edge: front.url },
    ports,
    users,
    bookDir,
    dataDir: folder.path,
    databaseUrls,
    services: recordOf(serviceNames, (name) => toStackProcess(supervisors[name])),
    postgres: postgres && toStackProcess(postgres),
    envOf,
    startReplica: async (name, env = {}) => {
      const port = await freePort();
      const own = { name, port, env: { ...envOf(name), ...env } };
      return replicas.use(await startService(context, `${name}-${port}`, own));
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

/** Checks the given databases, and creates the embedded ones that are missing. */
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
  secrets: Secrets,
): Supervisor<EmbeddedPostgres> {
  const options = postgresOf(folder, port, secrets);
  return new Supervisor<EmbeddedPostgres>({
    start: () => startPostgres(options),
    restart: config.supervise,
    ...notices("PostgreSQL", listener),
  });
}

function superviseService(
  context: Context,
  name: ServiceName,
  port: number,
  env: Env,
): Supervisor<ServiceProcess> {
  const isUp = () => supervisor.current !== undefined;
  const supervisor: Supervisor<ServiceProcess> = new Supervisor<ServiceProcess>({
    start: (signal) => startService({ ...context, signal }, name, { name, port, env, isUp }),
    restart: context.config.supervise,
    ...notices(name, context.listener),
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
    // Until it is up, its stderr is in the error of the start.
    const shown = line.startsWith("{") || isUp() ? readable(label, line) : undefined;
    if (shown !== undefined) listener.notice(shown, eventOf(line));
  };
  return startServiceProcess({
    name: label,
    main: scriptOf(name, "main"),
    preload: [scriptOf(name, "telemetry")],
    port,
    env,
    logFile: folder.file("logs", `${label}.log`),
    onLine,
    signal,
  });
}

/** Reports a supervisor's events in sentences. */
const notices = (name: string, { notice }: ProgressListener) => ({
  onDied: (how: string, delayMs: number | undefined) => {
    const restart = delayMs === undefined ? "" : `; starting it again in ${delayMs / 1000} s`;
    notice(`${name} ended unexpectedly (${how})${restart}`);
  },
  onStartFailed: (error: unknown, delayMs: number) =>
    notice(
      `${name} could not be started again, next try in ${delayMs / 1000} s: ${error instanceof Error ? error.message : error}`,
    ),
  onRestarted: ({ pid }: Supervised) => notice(`${name} is up again (process ${pid})`),
});

function toStackProcess<T extends Supervised>(supervisor: Supervisor<T>): StackProcess {
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

import { setTimeout as sleep } from "node:timers/promises";
import type { ProgressListener } from "@tercet/cli";
import {
  ANY_PORT,
  envToConfig,
  type ServiceName,
  type ServiceProcess,
  type Stack,
  startStack,
} from "@tercet/stack";
import { startTcpProxy, type TcpProxy } from "./tcp-proxy.ts";

/** One process of a service, and what comes in its place. */
export interface Member {
  readonly service: ServiceName;
  /** Undefined while it is down. */
  readonly pid: number | undefined;
  /** By SIGKILL; answers when it is gone. */
  kill(): Promise<void>;
  /** Starts it again, as often as it takes; answers when it is ready. */
  revive(signal: AbortSignal): Promise<void>;
}

/**
 * The whole system, with two processes of Order and Payment each behind an address of their own.
 */
export interface Fleet extends AsyncDisposable {
  readonly stack: Stack;
  readonly members: readonly Member[];
  /** Calls to Order go through it. */
  readonly order: TcpProxy;
  /** Order's calls to Payment go through it. */
  readonly payment: TcpProxy;
}

export interface FleetOptions {
  readonly dataDir: string;
  /** For all services. */
  readonly env: Readonly<Record<string, string>>;
  readonly listener: ProgressListener;
  readonly signal?: AbortSignal;
  /** A process ended that nobody killed. */
  readonly onUnexpectedEnd: (service: ServiceName, how: string) => void;
}

const RETRY_START_MS = 200;

export async function startFleet({
  dataDir,
  env,
  listener,
  signal,
  onUnexpectedEnd,
}: FleetOptions): Promise<Fleet> {
  await using starting = new AsyncDisposableStack();
  const [order, payment] = [
    starting.use(await startTcpProxy()),
    starting.use(await startTcpProxy()),
  ];
  const config = envToConfig({ ...ANY_PORT, DATA_DIR: dataDir, ...env });
  const serviceEnv = {
    ...config.serviceEnv,
    order: { ...config.serviceEnv.order, PAYMENT_URL: payment.url },
  };
  const stack = starting.use(
    await startStack(
      { ...config, serviceEnv, supervise: false },
      { listener, ...(signal !== undefined && { signal }) },
    ),
  );
  const replicas = [
    await Replica.start(stack, "order", onUnexpectedEnd),
    await Replica.start(stack, "payment", onUnexpectedEnd),
  ] as const;
  const route = () => {
    order.to(stack.urls.order, replicas[0].url);
    payment.to(stack.urls.payment, replicas[1].url);
  };
  route();
  const first = (["identity", "order", "payment"] as const).map((service) =>
    firstOf(stack, service),
  );
  const running = starting.move();
  return {
    stack,
    members: [...first, ...replicas.map((replica) => rerouted(replica, route))],
    order,
    payment,
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

/** The stack's own process of a service. */
function firstOf({ services }: Stack, service: ServiceName): Member {
  const process = services[service];
  return {
    service,
    get pid() {
      return process.pid;
    },
    kill: async () => void (await process.kill()),
    revive: (signal) => untilStarted(() => process.start(), signal),
  };
}

/** It is elsewhere when it comes back. */
const rerouted = (replica: Replica, route: () => void): Member => ({
  service: replica.service,
  get pid() {
    return replica.pid;
  },
  kill: () => replica.kill(),
  revive: async (signal) => {
    await replica.revive(signal);
    route();
  },
});

class Replica implements Member {
  readonly service: ServiceName;
  readonly #stack: Stack;
  readonly #onUnexpectedEnd: FleetOptions["onUnexpectedEnd"];
  #process: ServiceProcess | undefined;
  #url = "";

  static async start(
    stack: Stack,
    service: ServiceName,
    onUnexpectedEnd: FleetOptions["onUnexpectedEnd"],
  ): Promise<Replica> {
    const replica = new Replica(stack, service, onUnexpectedEnd);
    await replica.#start();
    return replica;
  }

  private constructor(
    stack: Stack,
    service: ServiceName,
    onUnexpectedEnd: FleetOptions["onUnexpectedEnd"],
  ) {
    this.#stack = stack;
    this.service = service;
    this.#onUnexpectedEnd = onUnexpectedEnd;
  }

  get pid(): number | undefined {
    return this.#process?.pid;
  }

  /** Of the process that runs, or ran last. */
  get url(): string {
    return this.#url;
  }

  async kill(): Promise<void> {
    const process = this.#process;
    this.#process = undefined;
    process?.kill();
    await process?.exited;
  }

  revive(signal: AbortSignal): Promise<void> {
    return untilStarted(() => this.#start(), signal);
  }

  async #start(): Promise<void> {
    const started = await this.#stack.startReplica(this.service);
    this.#process = started;
    this.#url = started.url;
    void started.exited.then((how) => {
      if (this.#process === started && how !== "exit code 0")
        this.#onUnexpectedEnd(this.service, how);
    });
  }
}

/** A service that finds its database down does not start: it is started again. */
async function untilStarted(start: () => Promise<void>, signal: AbortSignal): Promise<void> {
  while (!signal.aborted)
    try {
      return await start();
    } catch {
      await sleep(RETRY_START_MS);
    }
}

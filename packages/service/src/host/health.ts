import { once, setMaxListeners } from "node:events";
import { Code, ConnectError, type ConnectRouter } from "@connectrpc/connect";
import {
  Health,
  HealthCheckResponse_ServingStatus as ServingStatus,
} from "@tercet/gen/grpc/health/v1/health";

const CHECK_INTERVAL_MS = 1_000;
const CHECK_TIMEOUT_MS = 1_000;

/** Throws if the dependency cannot be used. */
export type DependencyCheck = (signal: AbortSignal) => Promise<void>;

export interface HealthReport {
  readonly ready: boolean;
  /** Each dependency: "up" or "down"; causes stay in the log. */
  readonly dependencies: Readonly<Record<string, "up" | "down">>;
}

/** Checks the dependencies once a second: probes cost nothing, failures show within 2 s. */
export class HealthMonitor {
  readonly #checks: Readonly<Record<string, DependencyCheck>>;
  readonly #onChange: (name: string, error: unknown) => void;
  readonly #changes = new EventTarget();
  readonly #states = new Map<string, "up" | "down">();
  #timer: NodeJS.Timeout | undefined;
  #serving = false;
  #stopped = false;

  constructor(
    checks: Readonly<Record<string, DependencyCheck>>,
    onChange: (name: string, error: unknown) => void,
  ) {
    this.#checks = checks;
    this.#onChange = onChange;
    // One listener for each stream that watches.
    setMaxListeners(0, this.#changes);
  }

  report(): HealthReport {
    const dependencies = Object.fromEntries(
      Object.keys(this.#checks).map((name) => [name, this.#states.get(name) ?? "down"] as const),
    );
    return {
      ready: this.#serving && Object.values(dependencies).every((state) => state === "up"),
      dependencies,
    };
  }

  async start(): Promise<void> {
    this.#serving = true;
    await this.#checkAll();
    this.#timer = setInterval(() => void this.#checkAll(), CHECK_INTERVAL_MS);
  }

  /** Not ready from now on, regardless of the dependencies. */
  stop(): void {
    this.#serving = false;
    this.#stopped = true;
    clearInterval(this.#timer);
    this.#changes.dispatchEvent(new Event("change"));
  }

  /** Whether `stop` was called; readiness will not change any more. */
  get stopped(): boolean {
    return this.#stopped;
  }

  /** Resolves at the next change of readiness or when the signal aborts. */
  async changed(signal: AbortSignal): Promise<void> {
    await once(this.#changes, "change", { signal }).catch(() => {});
  }

  async #checkAll(): Promise<void> {
    const before = this.report().ready;
    await Promise.all(
      Object.entries(this.#checks).map(([name, check]) => this.#check(name, check)),
    );
    if (this.report().ready !== before) this.#changes.dispatchEvent(new Event("change"));
  }

  async #check(name: string, check: DependencyCheck): Promise<void> {
    const signal = AbortSignal.timeout(CHECK_TIMEOUT_MS);
    const { promise: timedOut, reject } = Promise.withResolvers<never>();
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    try {
      await Promise.race([check(signal), timedOut]);
      this.#record(name, "up", undefined);
    } catch (error) {
      this.#record(name, "down", error);
    }
  }

  #record(name: string, state: "up" | "down", error: unknown): void {
    if (this.#states.get(name) === state) return;
    this.#states.set(name, state);
    this.#onChange(name, error);
  }
}

/** Returns the routes of grpc.health.v1, for the server ("") and each of its services. */
export function healthRoutes(monitor: HealthMonitor, serviceNames: ReadonlySet<string>) {
  const status = () => (monitor.report().ready ? ServingStatus.SERVING : ServingStatus.NOT_SERVING);
  const known = (service: string) => service === "" || serviceNames.has(service);
  return (router: ConnectRouter) =>
    router.service(Health, {
      check({ service }) {
        if (!known(service)) throw new ConnectError(`unknown service ${service}`, Code.NotFound);
        return { status: status() };
      },
      list() {
        return {
          statuses: Object.fromEntries(
            ["", ...serviceNames].map((name) => [name, { status: status() }]),
          ),
        };
      },
      async *watch({ service }, { signal }) {
        let last: ServingStatus | undefined;
        while (!signal.aborted) {
          // Subscribe before the status is read: no change is missed while it is sent.
          const change = monitor.changed(signal);
          const now = known(service) ? status() : ServingStatus.SERVICE_UNKNOWN;
          if (now !== last) yield { status: now };
          last = now;
          if (monitor.stopped) return;
          await change;
        }
      },
    });
}

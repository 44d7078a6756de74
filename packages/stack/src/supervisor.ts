import { setTimeout as sleep } from "node:timers/promises";

/** A process that runs until it is stopped or dies. */
export interface Supervised extends AsyncDisposable {
  readonly pid: number;
  /** Resolves when it has ended, to how it ended. */
  readonly exited: Promise<string>;
}

export interface SupervisorOptions<T extends Supervised> {
  start(signal: AbortSignal): Promise<T>;
  /** Whether it is restarted when it dies. */
  readonly restart: boolean;
  /** It died; it restarts in `delayMs`, or never if that is undefined. */
  onDied(how: string, delayMs: number | undefined): void;
  /** A restart failed; the next attempt is in `delayMs`. */
  onStartFailed(error: unknown, delayMs: number): void;
  onRestarted(current: T): void;
}

const FIRST_DELAY_MS = 100;
const LONGEST_DELAY_MS = 10_000;
/** After running for this long, the delay of the next restart is the shortest again. */
const STEADY_MS = 10_000;

/** Keeps a process running, with growing delays between restarts, until it is stopped. */
export class Supervisor<T extends Supervised> implements AsyncDisposable {
  readonly #options: SupervisorOptions<T>;
  #current: T | undefined;
  #up = Promise.withResolvers<T>();
  #stopping = new AbortController();
  /** Settles when nothing is being started or watched. */
  #idle: Promise<void> = Promise.resolve();

  constructor(options: SupervisorOptions<T>) {
    this.#options = options;
  }

  /** The process; undefined while it is down. */
  get current(): T | undefined {
    return this.#current;
  }

  /** Resolves to the process as soon as it is up. */
  up(): Promise<T> {
    return this.#up.promise;
  }

  /** Starts it, unless it is running. Throws what `start` of the options throws. */
  async start(signal?: AbortSignal): Promise<T> {
    if (this.#current !== undefined) return this.#current;
    await this.stop();
    this.#stopping = new AbortController();
    const stopping = this.#stopping.signal;
    const first = this.#raise(
      signal === undefined ? stopping : AbortSignal.any([signal, stopping]),
    );
    this.#idle = first.then(
      (started) => this.#watch(started, stopping),
      () => {},
    );
    return await first;
  }

  /** Stops it; it stays down until the next `start`. */
  async stop(): Promise<void> {
    this.#stopping.abort(new Error("stopped"));
    await this.#current?.[Symbol.asyncDispose]();
    await this.#idle;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #raise(signal: AbortSignal, announce: (started: T) => void = () => {}): Promise<T> {
    const started = await this.#options.start(signal);
    if (signal.aborted) {
      await started[Symbol.asyncDispose]();
      throw signal.reason;
    }
    this.#current = started;
    announce(started);
    this.#up.resolve(started);
    return started;
  }

  async #watch(first: T, stopping: AbortSignal): Promise<void> {
    let delayMs = FIRST_DELAY_MS;
    for (let running: T | undefined = first; running !== undefined; ) {
      const since = performance.now();
      const how = await running.exited;
      this.#current = undefined;
      this.#up = Promise.withResolvers<T>();
      if (stopping.aborted) return;
      if (performance.now() - since > STEADY_MS) delayMs = FIRST_DELAY_MS;
      this.#options.onDied(how, this.#options.restart ? delayMs : undefined);
      running = this.#options.restart ? await this.#startAgain(delayMs, stopping) : undefined;
      delayMs = longer(delayMs);
    }
  }

  /** Resolves to undefined if it is stopped meanwhile. */
  async #startAgain(firstDelayMs: number, stopping: AbortSignal): Promise<T | undefined> {
    for (let delayMs = firstDelayMs; !stopping.aborted; delayMs = longer(delayMs)) {
      try {
        await sleep(delayMs, undefined, { signal: stopping });
        return await this.#raise(stopping, (started) => this.#options.onRestarted(started));
      } catch (error) {
        if (!stopping.aborted) this.#options.onStartFailed(error, longer(delayMs));
      }
    }
    return undefined;
  }
}

const longer = (delayMs: number): number => Math.min(delayMs * 2, LONGEST_DELAY_MS);

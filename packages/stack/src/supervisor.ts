import { setTimeout as sleep } from "node:timers/promises";

/** Something that runs until it is stopped, or dies. */
export interface Supervised extends AsyncDisposable {
  readonly pid: number;
  /** Resolves, with how, when it has ended for whatever reason. */
  readonly exited: Promise<string>;
}

export interface SupervisorOptions<T extends Supervised> {
  start(signal: AbortSignal): Promise<T>;
  /** Whether it is started again when it dies. */
  readonly restart: boolean;
  /** It died; it is started again in `delayMs`, or not at all. */
  onDied(how: string, delayMs: number | undefined): void;
  /** A start after a death failed; the next one is in `delayMs`. */
  onStartFailed(error: unknown, delayMs: number): void;
  onRestarted(current: T): void;
}

const FIRST_DELAY_MS = 100;
const LONGEST_DELAY_MS = 10_000;
/** What has run for this long is started again at once, however often it died before. */
const STEADY_MS = 10_000;

/** Keeps one thing running. Disposing of it stops the thing for good. */
export class Supervisor<T extends Supervised> implements AsyncDisposable {
  readonly #options: SupervisorOptions<T>;
  #current: T | undefined;
  #up = Promise.withResolvers<T>();
  #stopping = new AbortController();
  /** Settles when nothing is started or watched any more. */
  #idle: Promise<void> = Promise.resolve();

  constructor(options: SupervisorOptions<T>) {
    this.#options = options;
  }

  /** What runs at the moment; undefined while it is down. */
  get current(): T | undefined {
    return this.#current;
  }

  /** What runs, as soon as it does. */
  up(): Promise<T> {
    return this.#up.promise;
  }

  /** Throws what the start throws. */
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

  /** Stops it, and leaves it so until the next start. */
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

  /** Undefined when it is to stop instead. */
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

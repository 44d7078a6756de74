import { setTimeout as sleep } from "node:timers/promises";

/** Something that runs until it is stopped, or dies. */
export interface Supervised extends AsyncDisposable {
  /** Resolves, with how, when it has ended for whatever reason. */
  readonly exited: Promise<string>;
}

export interface SupervisorOptions<T extends Supervised> {
  start(signal: AbortSignal): Promise<T>;
  /** Whether it is started again when it dies. */
  readonly restart: boolean;
  /** It died, and is started again in `delayMs`. */
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
  #stopping = new AbortController();
  #watching: Promise<void> = Promise.resolve();
  #up = Promise.withResolvers<T>();

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
    this.#stopping = new AbortController();
    const stopping = this.#stopping.signal;
    const started = await this.#options.start(signal === undefined ? stopping : AbortSignal.any([signal, stopping]));
    this.#rise(started);
    this.#watching = this.#watch(started, stopping);
    return started;
  }

  /** Stops it, and leaves it so until the next start. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#current?.[Symbol.asyncDispose]();
    await this.#watching;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #watch(first: T, stopping: AbortSignal): Promise<void> {
    let running = first;
    let since = performance.now();
    let delayMs = FIRST_DELAY_MS;
    for (;;) {
      const how = await running.exited;
      this.#fall();
      if (stopping.aborted) return;
      if (performance.now() - since > STEADY_MS) delayMs = FIRST_DELAY_MS;
      this.#options.onDied(how, this.#options.restart ? delayMs : undefined);
      if (!this.#options.restart) return;
      const again = await this.#startAgain(delayMs, stopping);
      if (again === undefined) return;
      running = again;
      since = performance.now();
      delayMs = longer(delayMs);
    }
  }

  async #startAgain(firstDelayMs: number, stopping: AbortSignal): Promise<T | undefined> {
    for (let delayMs = firstDelayMs; ; delayMs = longer(delayMs)) {
      try {
        await sleep(delayMs, undefined, { signal: stopping });
        const started = await this.#options.start(stopping);
        this.#rise(started);
        this.#options.onRestarted(started);
        return started;
      } catch (error) {
        if (stopping.aborted) return undefined;
        this.#options.onStartFailed(error, longer(delayMs));
      }
    }
  }

  #rise(started: T): void {
    this.#current = started;
    this.#up.resolve(started);
  }

  #fall(): void {
    this.#current = undefined;
    this.#up = Promise.withResolvers<T>();
  }
}

const longer = (delayMs: number): number => Math.min(delayMs * 2, LONGEST_DELAY_MS);

import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { pinoLoki } from "pino-loki";

export interface LokiOptions {
  /** "https://user:password@loki:3100"; the push API is below it. */
  readonly url: string;
  /** Of every line; its level is added. */
  readonly labels: Readonly<Record<string, string>>;
  /** Told when Loki stops taking lines, and when it takes them again. */
  readonly onChange: (takes: boolean) => void;
}

const BATCH_MS = 1_000;
/** Making a batch ready holds up the process: this many lines take a few milliseconds. */
const BATCH_LINES = 500;
/** While Loki does not take them: the oldest go first. */
const MAX_LINES = 10_000;
const MAX_CHARACTERS = 8_388_608;
const PUSH_TIMEOUT_MS = 2_000;
/** How long the last lines may take at the end; less when Loki has not answered before. */
const DRAIN_MS = 2_000;
const DRAIN_FAILING_MS = 250;

/**
 * Lines on their way to Loki. Nobody ever waits for it: lines are held, one batch at a time is
 * pushed, and what Loki does not take is pushed again, until there is no room for it any more.
 *
 * pino-loki (3.0) pushes what it holds when it is closed, and says when that is over; when it
 * pushes by its own clock, nothing tells when and whether a push has ended. So each batch is a
 * stream of its own, closed at once. What came of it is read from Node's channel of HTTP answers.
 */
export class Loki {
  readonly #target: ReturnType<typeof target>;
  readonly #options: LokiOptions;
  #held: string[] = [];
  #characters = 0;
  #takes = true;
  #timer: NodeJS.Timeout | undefined;
  #pushing: Promise<void> | undefined;

  constructor(options: LokiOptions) {
    this.#options = options;
    this.#target = target(options.url);
  }

  write(line: string): void {
    this.#held.push(line);
    this.#characters += line.length;
    this.#makeRoom();
    if (this.#takes && this.#held.length >= BATCH_LINES) void this.#push();
    else this.#timer ??= setTimeout(() => void this.#push(), BATCH_MS).unref();
  }

  /**
   * Resolves when all lines are with Loki, or soon after when it does not take them; never rejects.
   */
  async drain(): Promise<void> {
    const over = new AbortController();
    const patience = sleep(this.#takes ? DRAIN_MS : DRAIN_FAILING_MS, undefined, {
      signal: over.signal,
    }).catch(() => {});
    await Promise.race([this.#push(), patience]);
    over.abort();
  }

  #push(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#pushing ??= this.#pushAll().finally(() => {
      this.#pushing = undefined;
      if (this.#held.length > 0)
        this.#timer ??= setTimeout(() => void this.#push(), BATCH_MS).unref();
    });
    return this.#pushing;
  }

  async #pushAll(): Promise<void> {
    let takes = true;
    while (takes && this.#held.length > 0) {
      const batch = this.#held.splice(0, BATCH_LINES);
      const status = await this.#pushBatch(batch);
      takes = status >= 200 && status < 300;
      // What Loki understood and refused it would refuse again.
      const again = status === 0 || status === 429 || status >= 500;
      if (again) this.#held = [...batch, ...this.#held];
      else this.#characters -= length(batch);
      this.#makeRoom();
      if (takes !== this.#takes) this.#options.onChange(takes);
      this.#takes = takes;
    }
  }

  /** Answers the HTTP status; 0 when there was none. */
  async #pushBatch(batch: readonly string[]): Promise<number> {
    const { origin, path, ...settings } = this.#target;
    let status = 0;
    const heard = (message: unknown) => {
      const { request, response } = message as {
        request: { origin: string; path: string };
        response: { statusCode: number };
      };
      if (request.origin === origin && request.path === path) status = response.statusCode;
    };
    subscribe(ANSWERS, heard);
    const stream = pinoLoki({
      ...settings,
      labels: this.#options.labels,
      propsToLabels: ["level"],
      logFormat: ({ line }) => line as string,
      structuredMetaKey: false,
      timeout: PUSH_TIMEOUT_MS,
      silenceErrors: true,
      // Never by its clock.
      batching: { interval: 86_400, maxBufferSize: 0 },
    });
    const closed = once(stream, "close");
    for (const line of batch) stream.write(envelope(line));
    stream.end();
    await closed.catch(() => {});
    unsubscribe(ANSWERS, heard);
    return status;
  }

  #makeRoom(): void {
    while (this.#held.length > MAX_LINES || this.#characters > MAX_CHARACTERS)
      this.#characters -= this.#held.shift()?.length ?? 0;
  }
}

const ANSWERS = "undici:request:headers";

const length = (lines: readonly string[]): number =>
  lines.reduce((total, line) => total + line.length, 0);

/**
 * The line as it is, with what pino-loki looks at: a level, and a time in nanoseconds, where our
 * lines have ISO 8601.
 */
function envelope(line: string): string {
  const [, level, time = ""] = /^\{"level":"(\w+)","time":"([^"]+)"/.exec(line) ?? [];
  return `${JSON.stringify({ level, time: `${Date.parse(time) || Date.now()}000000`, line: line.trimEnd() })}\n`;
}

/** Credentials leave the address, so that nothing that names it names them. */
function target(text: string) {
  const url = new URL(text);
  const { username, password, origin, pathname } = url;
  const base = pathname.replace(/\/*$/, "/");
  const endpoint = "loki/api/v1/push";
  const basicAuth = {
    username: decodeURIComponent(username),
    password: decodeURIComponent(password),
  };
  return {
    origin,
    path: `${base}${endpoint}`,
    host: `${origin}${base}`,
    endpoint,
    ...(username !== "" && { basicAuth }),
  };
}

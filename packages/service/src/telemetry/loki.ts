import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { responds } from "./responds.ts";

export interface LokiOptions {
  /** "https://user:password@loki:3100" */
  readonly url: string;
  /** Of every line; the level is added. */
  readonly labels: Readonly<Record<string, string>>;
  /** Called when Loki stops accepting lines, and when it accepts them again. */
  readonly onChange: (accepts: boolean) => void;
}

const BATCH_MS = 1_000;
/** Encoding a batch blocks the process: a few milliseconds for this many lines. */
const BATCH_LINES = 500;
/** Kept while Loki does not accept them; the oldest are dropped first. */
const MAX_LINES = 10_000;
const MAX_CHARACTERS = 8_388_608;
const PUSH_TIMEOUT_MS = 2_000;
/** For the last lines at exit; less if the last push failed, or if Loki does not respond at all. */
const DRAIN_MS = 2_000;
const DRAIN_FAILING_MS = 250;

/**
 * A buffer of lines for Loki, which never blocks a caller: one batch at a time is pushed, and
 * pushed again until Loki accepts it or there is no room for it.
 *
 * pino-loki (3.0) reports the end of a push only when it is closed, and never its outcome. So each
 * batch is a stream of its own, closed at once, and the outcome is read from undici's diagnostics
 * channel.
 */
export class Loki {
  readonly #target: ReturnType<typeof target>;
  readonly #options: LokiOptions;
  #held: string[] = [];
  #characters = 0;
  #accepts = true;
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
    if (this.#accepts && this.#held.length >= BATCH_LINES) void this.#push();
    else this.#timer ??= setTimeout(() => void this.#push(), BATCH_MS).unref();
  }

  /** Resolves when Loki has all lines, or after a bounded time; never rejects. */
  async drain(): Promise<void> {
    await Promise.race([this.#push(), this.#patience()]);
  }

  async #patience(): Promise<void> {
    const isThere = this.#accepts && (await responds(this.#options.url, DRAIN_FAILING_MS));
    await sleep(isThere ? DRAIN_MS : DRAIN_FAILING_MS, undefined, { ref: false });
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
    let accepts = true;
    while (accepts && this.#held.length > 0) {
      const batch = this.#held.splice(0, BATCH_LINES);
      const status = await this.#pushBatch(batch);
      accepts = status >= 200 && status < 300;
      // Loki would refuse again what it refused with another 4xx.
      const retry = status === 0 || status === 429 || status >= 500;
      if (retry) this.#held = [...batch, ...this.#held];
      else this.#characters -= length(batch);
      this.#makeRoom();
      if (accepts !== this.#accepts) this.#options.onChange(accepts);
      this.#accepts = accepts;
    }
  }

  /** Resolves to the HTTP status; 0 if there was no response. */
  async #pushBatch(batch: readonly string[]): Promise<number> {
    const { origin, path, ...settings } = this.#target;
    let status = 0;
    const onResponse = (message: unknown) => {
      const { request, response } = message as {
        request: { origin: string; path: string };
        response: { statusCode: number };
      };
      if (request.origin === origin && request.path === path) status = response.statusCode;
    };
    subscribe(RESPONSES, onResponse);
    const { pinoLoki } = await import("pino-loki");
    const stream = pinoLoki({
      ...settings,
      labels: this.#options.labels,
      propsToLabels: ["level"],
      logFormat: ({ line }) => line as string,
      structuredMetaKey: false,
      timeout: PUSH_TIMEOUT_MS,
      silenceErrors: true,
      // Never by its own timer.
      batching: { interval: 86_400, maxBufferSize: 0 },
    });
    const closed = once(stream, "close");
    for (const line of batch) stream.write(envelope(line));
    stream.end();
    await closed.catch(() => {});
    unsubscribe(RESPONSES, onResponse);
    return status;
  }

  #makeRoom(): void {
    while (this.#held.length > MAX_LINES || this.#characters > MAX_CHARACTERS)
      this.#characters -= this.#held.shift()?.length ?? 0;
  }
}

const RESPONSES = "undici:request:headers";

const length = (lines: readonly string[]): number =>
  lines.reduce((total, line) => total + line.length, 0);

/** Wraps a line for pino-loki, which reads a level and a time in nanoseconds. */
function envelope(line: string): string {
  const [, level, time = ""] = /^\{"level":"(\w+)","time":"([^"]+)"/.exec(line) ?? [];
  return `${JSON.stringify({ level, time: `${Date.parse(time) || Date.now()}000000`, line: line.trimEnd() })}\n`;
}

/** Separates the credentials from the address, so that messages cannot contain them. */
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

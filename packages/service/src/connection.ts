import { Code, ConnectError } from "@connectrpc/connect";
import { Http2SessionManager } from "@connectrpc/connect-node";

/** Times in milliseconds. */
export interface ConnectionOptions {
  /** A connection that says nothing for this long is asked whether it is still there; 10 s by default. */
  readonly pingIntervalMs?: number;
  /** How long its answer may take; 3 s by default. A connection that vanished without a word is found within the sum of both. */
  readonly pingTimeoutMs?: number;
}

const PING_INTERVAL_MS = 10_000;
const PING_TIMEOUT_MS = 3_000;

/**
 * The HTTP/2 connection of a client. connect-node asks a silent connection whether it is there before it gives it to the next call, but forgets the question when
 * an earlier call on that connection ends meanwhile: every later call would then wait for an answer that never comes. So the wait has a bound of its own.
 */
export class WatchedConnection extends Http2SessionManager {
  readonly #pingTimeoutMs: number;

  constructor(url: string, { pingIntervalMs = PING_INTERVAL_MS, pingTimeoutMs = PING_TIMEOUT_MS }: ConnectionOptions) {
    super(url, { pingIntervalMs, pingTimeoutMs });
    this.#pingTimeoutMs = pingTimeoutMs;
  }

  override async request(...call: Parameters<Http2SessionManager["request"]>): ReturnType<Http2SessionManager["request"]> {
    const giveUp = () => {
      if (this.state() === "verifying") this.abort(new ConnectError("the connection does not answer", Code.Unavailable));
    };
    const unanswered = setTimeout(giveUp, this.#pingTimeoutMs);
    try {
      return await super.request(...call);
    } finally {
      clearTimeout(unanswered);
    }
  }
}

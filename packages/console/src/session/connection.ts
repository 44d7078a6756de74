import { Code, type ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcWebTransport } from "@connectrpc/connect-web";
import { CatalogService } from "@tercet/gen/order/v1/catalog_service";

export type ConnectionState =
  | { readonly kind: "live" }
  /** `retryAtMs` is undefined while it is being tried. */
  | { readonly kind: "lost"; readonly sinceMs: number; readonly retryAtMs: number | undefined };

const LIVE: ConnectionState = { kind: "live" };
const FIRST_RETRY_MS = 1_000;
const LONGEST_RETRY_MS = 8_000;
const PROBE_TIMEOUT_MS = 3_000;

const catalog = createClient(
  CatalogService,
  createGrpcWebTransport({ baseUrl: location.origin, defaultTimeoutMs: PROBE_TIMEOUT_MS }),
);

/** Whether the service can be reached. While it cannot, it is tried again and again. */
class Connection {
  #state: ConnectionState = LIVE;
  #retryMs = FIRST_RETRY_MS;
  readonly #listeners = new Set<() => void>();
  readonly #recovered = new Set<() => void>();

  readonly state = (): ConnectionState => this.#state;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  };

  /** Calls the listener each time when the service can be reached again. */
  onRecovered(listener: () => void): () => void {
    this.#recovered.add(listener);
    return () => void this.#recovered.delete(listener);
  }

  succeeded(): void {
    if (this.#state.kind === "live") return;
    this.#set(LIVE);
    this.#retryMs = FIRST_RETRY_MS;
    for (const listener of this.#recovered) listener();
  }

  /** Only an error that says nothing of the call itself is one of the connection. */
  failed({ code }: ConnectError): void {
    if (code !== Code.Unavailable && code !== Code.Unknown) return;
    if (this.#state.kind === "live") this.#retryLater(Date.now());
  }

  #retryLater(sinceMs: number): void {
    this.#set({ kind: "lost", sinceMs, retryAtMs: Date.now() + this.#retryMs });
    setTimeout(() => void this.#probe(sinceMs), this.#retryMs);
    this.#retryMs = Math.min(this.#retryMs * 2, LONGEST_RETRY_MS);
  }

  async #probe(sinceMs: number): Promise<void> {
    if (this.#state.kind === "live") return;
    this.#set({ kind: "lost", sinceMs, retryAtMs: undefined });
    try {
      await catalog.listProducts({ pageSize: 1 });
      this.succeeded();
    } catch {
      this.#retryLater(sinceMs);
    }
  }

  #set(state: ConnectionState): void {
    this.#state = state;
    for (const listener of this.#listeners) listener();
  }
}

export const connection = new Connection();

/** What the place that serves the console says of itself: `/console.json`. */
interface Settings {
  /** Whether operators' methods can be called here; gateways do not route them. */
  readonly operators: boolean;
  /** Whether this is the embedded stack of `pnpm start`, with its crash lab. */
  readonly lab: boolean;
  /** The seeded users, who sign in with one click; only in the embedded stack. */
  readonly users: readonly { readonly name: string; readonly roles: readonly string[] }[];
  /** Addresses with `{orderId}` in them; absent if there is no such tool. */
  readonly traceUrl?: string;
  readonly logsUrl?: string;
}

const DEFAULTS: Settings = { operators: true, lab: false, users: [] };

/** Read once, before the first page. */
export const settings: Settings = await load();

async function load(): Promise<Settings> {
  try {
    const response = await fetch("/console.json");
    const isJson = response.headers.get("content-type")?.includes("json") ?? false;
    return response.ok && isJson
      ? { ...DEFAULTS, ...((await response.json()) as Partial<Settings>) }
      : DEFAULTS;
  } catch {
    return DEFAULTS;
  }
}

/** What the place that serves the console says of itself: `/console.json`. */
export interface Settings {
  /** Whether this is the embedded stack of `pnpm start`, with its crash lab. */
  readonly lab: boolean;
  /** The seeded users, who sign in with one click; only in the embedded stack. */
  readonly users: readonly { readonly name: string; readonly roles: readonly string[] }[];
  /** Addresses with `{orderId}` in them; absent if there is no such tool. */
  readonly traceUrl?: string;
  readonly logsUrl?: string;
}

const NONE: Settings = { lab: false, users: [] };

/** Resolves to no settings where there are none. */
export async function loadSettings(): Promise<Settings> {
  try {
    const response = await fetch("/console.json");
    const isJson = response.headers.get("content-type")?.includes("json") ?? false;
    return response.ok && isJson ? { ...NONE, ...((await response.json()) as Settings) } : NONE;
  } catch {
    return NONE;
  }
}

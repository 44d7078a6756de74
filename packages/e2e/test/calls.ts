import { Code, ConnectError } from "@connectrpc/connect";
import { vi } from "vitest";

/** How long clients ask again before they give up. */
export const PATIENCE = { timeout: 20_000, interval: 100 };

/** "ok", or the code that the call failed with. */
export const outcome = (call: Promise<unknown>): Promise<string> =>
  call.then(
    () => "ok",
    (error: unknown) => Code[ConnectError.from(error).code] ?? "",
  );

/** What a client does that was told `unavailable`: it asks again, with the same request_id. Every other failure is one. */
export async function persistently<T>(call: () => Promise<T>): Promise<T> {
  const answer = await vi.waitUntil(
    () =>
      call().then(
        (value) => ({ value }),
        (error: unknown) => {
          if (ConnectError.from(error).code !== Code.Unavailable) throw error;
        },
      ),
    PATIENCE,
  );
  return (answer as { value: T }).value;
}

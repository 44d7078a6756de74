import { useEffect, useState, useSyncExternalStore } from "react";
import { connection } from "../session/connection.ts";
import { formatSpan } from "../ui/format.ts";
import { useNow } from "../ui/now.ts";

/** "Live", or when the service is tried again. */
export function ConnectionState() {
  const state = useSyncExternalStore(connection.subscribe, connection.state);
  const offline = useOffline();
  if (offline) return <Indicator tone="red">Offline</Indicator>;
  if (state.kind === "live") return <Indicator tone="green">Live</Indicator>;
  return (
    <Indicator tone="amber">
      <Countdown retryAtMs={state.retryAtMs} />
    </Indicator>
  );
}

function Countdown({ retryAtMs }: { readonly retryAtMs: number | undefined }) {
  const now = useNow();
  if (retryAtMs === undefined) return "Reconnecting";
  const left = Math.max(1, Math.ceil((retryAtMs - now) / 1_000));
  return `Reconnecting in ${formatSpan(left * 1_000)}`;
}

const Indicator = ({ tone, children }: { tone: string; children: React.ReactNode }) => (
  <span className="connection" data-tone={tone} role="status">
    <span className="dot" aria-hidden />
    {children}
  </span>
);

function useOffline(): boolean {
  const [offline, setOffline] = useState(!navigator.onLine);
  useEffect(() => {
    const update = () => setOffline(!navigator.onLine);
    addEventListener("online", update);
    addEventListener("offline", update);
    return () => {
      removeEventListener("online", update);
      removeEventListener("offline", update);
    };
  }, []);
  return offline;
}

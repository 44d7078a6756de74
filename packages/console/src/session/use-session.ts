import { useSyncExternalStore } from "react";
import { type Account, sessionState, subscribe } from "./session.ts";

export const useSession = () => useSyncExternalStore(subscribe, sessionState);

/** The signed-in user; undefined if there is none. */
export function useAccount(): Account | undefined {
  const session = useSession();
  return session.kind === "signed-in" ? session.account : undefined;
}

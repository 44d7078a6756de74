import { QueryClient } from "@tanstack/react-query";
import { isUnknownOutcome } from "./errors.ts";

const RETRIES = 2;

/** Creates the cache of one user: the next one must not see it. */
export const createQueryClient = (): QueryClient =>
  new QueryClient({
    defaultOptions: {
      queries: {
        retry: (failures, error) => failures < RETRIES && isUnknownOutcome(error),
        staleTime: 2_000,
        // A lost connection keeps the last data; `connection` asks again when it is back.
        networkMode: "always",
        refetchOnWindowFocus: true,
      },
      mutations: {
        // Each mutation has a request id, so that the same request again has no second effect.
        retry: (failures, error) => failures < RETRIES && isUnknownOutcome(error),
        retryDelay: (failures) => 500 * 2 ** failures,
        networkMode: "always",
      },
    },
  });

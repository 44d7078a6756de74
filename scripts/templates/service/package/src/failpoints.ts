import { failpointNames } from "@tercet/service";
import type { AcmeStore } from "./store.ts";

const methods = {
  store: ["insertWidget"],
} as const satisfies { store: readonly (keyof AcmeStore)[] };

/** The failpoints: before and after each state change. */
export const acmeFailpoints = failpointNames(methods);

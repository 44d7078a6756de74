import type { Logger } from "@tercet/service";
import type { AcmeStore } from "./store.ts";

export interface AcmeDeps {
  readonly store: AcmeStore;
  readonly log: Logger;
}

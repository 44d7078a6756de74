import type { Logger } from "@tercet/service";
import type { AttemptLimits } from "./attempt-limits.ts";
import type { Passwords } from "./password.ts";
import type { ServiceClient } from "./service-clients.ts";
import type { IdentityStore } from "./store.ts";
import type { AccessTokens } from "./tokens.ts";

export interface IdentityDeps {
  readonly store: IdentityStore;
  readonly passwords: Passwords;
  readonly limits: {
    /** Of failed ones, by address. */
    readonly logins: AttemptLimits;
    /** By address. */
    readonly registrations: AttemptLimits;
    /** By the used refresh token. */
    readonly refreshRetries: AttemptLimits;
  };
  readonly tokens: AccessTokens;
  readonly clients: readonly ServiceClient[];
  readonly log: Logger;
  /** How long a login lasts without a password. */
  readonly sessionLifetimeMs: number;
}

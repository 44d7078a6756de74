import { getOption } from "@bufbuild/protobuf";
import { createContextKey, type HandlerContext } from "@connectrpc/connect";
import { access, Role } from "@tercet/gen/common/v1/access";
import { RequestError } from "../errors.ts";

/** A role's name in tokens: "customer" for ROLE_CUSTOMER. */
export type RoleName = Lowercase<Exclude<keyof typeof Role, "UNSPECIFIED">>;

export const roleName = (role: Role): RoleName => Role[role].toLowerCase() as RoleName;

/** The caller: a user or another service. */
export interface Principal {
  /** The user's id, or the service's client id. */
  readonly subject: string;
  readonly roles: ReadonlySet<string>;
  /** The login that the token belongs to; undefined for a service. */
  readonly sessionId?: string | undefined;
  /** Of the user when the token was issued: see `RevocationList`. */
  readonly tokenVersion?: number | undefined;
  /** When the token expires, on the clock of `performance.now()`. */
  readonly expiresAt?: number;
}

export const principalKey = createContextKey<Principal | undefined>(undefined, {
  description: "the authenticated caller",
});

/** Returns the caller of a method that is not public. */
export function principal(context: Pick<HandlerContext, "values">): Principal {
  const caller = context.values.get(principalKey);
  if (caller === undefined)
    throw new RequestError("UNAUTHENTICATED", "a valid bearer token is required");
  return caller;
}

/**
 * On a method with `access.owner`: returns the subject whose resources the caller may see;
 * undefined if the caller's roles allow all.
 */
export function visibleOwner(
  context: Pick<HandlerContext, "values" | "method">,
): string | undefined {
  const caller = principal(context);
  const { roles } = getOption(context.method, access);
  return roles.some((role) => caller.roles.has(roleName(role))) ? undefined : caller.subject;
}

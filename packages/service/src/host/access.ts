import { type DescMethod, type DescService, getOption, hasOption } from "@bufbuild/protobuf";
import { type Access, access } from "@tercet/gen/common/v1/access";
import { RequestError } from "../errors.ts";
import { type Principal, roleName } from "./principal.ts";

/** Reading an option decodes it, which takes longer than the rest of a call's checks. */
const rules = new WeakMap<DescMethod, Access | null>();

/** Returns the method's access rule; undefined, which denies every call, if it has none. */
export function accessOf(method: DescMethod): Access | undefined {
  const known = rules.get(method);
  if (known !== undefined) return known ?? undefined;
  const rule = readAccess(method);
  rules.set(method, rule ?? null);
  return rule;
}

function readAccess(method: DescMethod): Access | undefined {
  if (!hasOption(method, access)) return undefined;
  const rule = getOption(method, access);
  return rule.public || rule.authenticated || rule.owner || rule.roles.length > 0
    ? rule
    : undefined;
}

/** Returns the names of the methods without an access rule; checked at start and by `verify`. */
export function methodsWithoutAccess(services: Iterable<DescService>): string[] {
  return [...services].flatMap((service) =>
    service.methods
      .filter((m) => accessOf(m) === undefined)
      .map((m) => `${service.typeName}/${m.name}`),
  );
}

/** Throws PERMISSION_DENIED unless the rule admits this caller. */
export function authorize(rule: Access | undefined, caller: Principal): void {
  if (rule?.authenticated) return;
  if (rule?.owner && caller.roles.has("customer")) return;
  if (rule?.roles.some((role) => caller.roles.has(roleName(role)))) return;
  throw new RequestError("PERMISSION_DENIED", "the caller's roles do not allow this method");
}

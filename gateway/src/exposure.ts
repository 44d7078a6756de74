import type { DescMethod } from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import { Role } from "@tercet/gen/common/v1/access";
import { accessOf } from "@tercet/service";

/**
 * Returns whether a method is reachable from outside: it is public or for customers. Methods for
 * operators, administrators and services only are not, and neither are internal ones.
 */
export function isExposed(method: DescMethod): boolean {
  const rule = accessOf(method);
  return (
    rule !== undefined &&
    !rule.internal &&
    (rule.public || rule.authenticated || rule.owner || rule.roles.includes(Role.CUSTOMER))
  );
}

/** Returns the path of a method: "/order.v1.OrderService/GetOrder". */
export const pathOf = ({ parent, name }: DescMethod): string => `/${parent.typeName}/${name}`;

/** Returns whether a method has no side effects: it may be repeated, and called by Connect GET. */
export const isRead = ({ idempotency }: DescMethod): boolean =>
  idempotency === MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS;

export const isStream = ({ methodKind }: DescMethod): boolean => methodKind !== "unary";

/** Returns whether a method writes without a token: a login, a registration. */
export const isAnonymousWrite = (method: DescMethod): boolean =>
  accessOf(method)?.public === true && !isRead(method);

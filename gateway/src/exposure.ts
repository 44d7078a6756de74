import type { DescMethod } from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import { Role } from "@tercet/gen/common/v1/access";
import { accessOf } from "@tercet/service";

/**
 * Whether the outside may call a method: anybody, or a customer. What only operators,
 * administrators or services may call stays inside.
 */
export function isExposed(method: DescMethod): boolean {
  const rule = accessOf(method);
  return (
    rule !== undefined &&
    (rule.public || rule.authenticated || rule.owner || rule.roles.includes(Role.CUSTOMER))
  );
}

/** As a request names it: "/order.v1.OrderService/GetOrder". */
export const pathOf = ({ parent, name }: DescMethod): string => `/${parent.typeName}/${name}`;

/** Safe to ask again, and by Connect GET. */
export const isRead = ({ idempotency }: DescMethod): boolean =>
  idempotency === MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS;

export const isStream = ({ methodKind }: DescMethod): boolean => methodKind !== "unary";

/** Whether it makes work for anybody who asks, without a token: a login, a registration. */
export const isAnonymousWrite = (method: DescMethod): boolean =>
  accessOf(method)?.public === true && !isRead(method);

import type { MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs, timestampFromDate } from "@bufbuild/protobuf/wkt";
import { Role } from "@tercet/gen/common/v1/access";
import type { TokenResponseSchema, UserSchema } from "@tercet/gen/identity/v1/identity";
import type { SessionTokens } from "./sessions.ts";
import type { User } from "./user.ts";
import { type UserRole, userRoles } from "./user.ts";

const wireRoles: Record<UserRole, Role> = {
  customer: Role.CUSTOMER,
  operator: Role.OPERATOR,
  admin: Role.ADMIN,
};

/** The contract lets no other role through. */
export function toRole(role: Role): UserRole {
  const name = userRoles.find((candidate) => wireRoles[candidate] === role);
  if (name === undefined) throw new Error(`not a role of a user: ${role}`);
  return name;
}

export const toMessage = ({
  id,
  email,
  displayName,
  roles,
  createTime,
}: User): MessageInitShape<typeof UserSchema> => ({
  id,
  email,
  displayName,
  roles: roles.map((role) => wireRoles[role]),
  createTime: timestampFromDate(createTime),
});

export const toTokenResponse = ({
  access,
  refreshToken,
  user,
}: SessionTokens): MessageInitShape<typeof TokenResponseSchema> => ({
  accessToken: access.token,
  refreshToken,
  expiresIn: durationFromMs(access.expiresIn * 1000),
  tokenType: "Bearer",
  user: toMessage(user),
});

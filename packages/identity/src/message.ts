import type { MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs, timestampFromDate } from "@bufbuild/protobuf/wkt";
import { Role } from "@tercet/gen/common/v1/access";
import type {
  SessionSchema,
  TokenResponseSchema,
  UserSchema,
} from "@tercet/gen/identity/v1/identity";
import { roleName } from "@tercet/service";
import type { SessionTokens } from "./sessions.ts";
import type { Session } from "./store.ts";
import { USER_ROLES, type User, type UserRole } from "./user.ts";

/** Throws if it is not a role of a user; request validation lets no such role through. */
export function toRole(role: Role): UserRole {
  const name = USER_ROLES.find((candidate) => candidate === roleName(role));
  if (name === undefined) throw new Error(`not a role of a user: ${role}`);
  return name;
}

const toWireRole = (role: UserRole): Role => Role[role.toUpperCase() as Uppercase<UserRole>];

export const toMessage = ({
  disableTime,
  disableReason: _,
  ...user
}: User): MessageInitShape<typeof UserSchema> => ({
  ...user,
  roles: user.roles.map(toWireRole),
  createTime: timestampFromDate(user.createTime),
  ...(disableTime && { disableTime: timestampFromDate(disableTime) }),
});

/** With what only administrators may read. */
export const toAdminMessage = (user: User): MessageInitShape<typeof UserSchema> => ({
  ...toMessage(user),
  disableReason: user.disableReason ?? "",
});

export const toSessionMessage = (
  { id, createTime, lastUseTime, expireTime }: Session,
  currentId: string,
): MessageInitShape<typeof SessionSchema> => ({
  id,
  createTime: timestampFromDate(createTime),
  lastUseTime: timestampFromDate(lastUseTime),
  expireTime: timestampFromDate(expireTime),
  current: id === currentId,
});

export const toTokenResponse = ({
  access,
  refreshToken,
  user,
}: SessionTokens): MessageInitShape<typeof TokenResponseSchema> => ({
  accessToken: access.token,
  refreshToken,
  expiresIn: durationFromMs(access.lifetimeSeconds * 1_000),
  tokenType: "Bearer",
  user: toMessage(user),
});

import { milliseconds, type RequestRecord, type Sql, useRequest, violates } from "@tercet/service";
import { emailTaken } from "./errors.ts";
import { revokeUserTokens } from "./postgres-revocations.ts";
import type { Credentials, NewPasswordReset, NewUser, UserStore } from "./store.ts";
import type { User, UserRole } from "./user.ts";

export async function createUser(
  sql: Sql,
  user: NewUser,
  request: RequestRecord,
): Promise<User | undefined> {
  const [created] = await sql<UserRow[]>`
    with request as (${useRequest(sql, request)})
    insert into users (id, email, display_name, password_hash, roles)
    select resource_id::uuid, ${user.email}, ${user.displayName}, ${user.passwordHash}, ${sql.json([...user.roles])}::jsonb from request
    returning ${columns(sql)}`.catch((error: unknown) => {
    throw violates(error, "users_email_key") ? emailTaken() : error;
  });
  return created && toUser(created);
}

export async function setRoles(
  sql: Sql,
  roles: readonly UserRole[],
  request: RequestRecord,
): Promise<User | undefined> {
  const [changed] = await sql<UserRow[]>`
    with ${useAdminRequest(sql, request, roles.includes("admin"))}, changed as (
      update users set roles = ${sql.json([...roles])}::jsonb, token_version = token_version + 1
      from request where users.id = request.resource_id::uuid
      returning users.*
    ), revoked as (${revokeUserTokens(sql, sql`changed`)})
    select ${columns(sql)} from changed as users`;
  return changed && toUser(changed);
}

export async function disableUser(
  sql: Sql,
  reason: string,
  request: RequestRecord,
): Promise<User | undefined> {
  const [changed] = await sql<UserRow[]>`
    with ${useAdminRequest(sql, request, false)}, changed as (
      update users set disable_time = coalesce(disable_time, now()), disable_reason = ${reason},
        session_epoch = session_epoch + 1, token_version = token_version + 1,
        reset_token_hash = null, reset_expire_time = null
      from request where users.id = request.resource_id::uuid
      returning users.*
    ), revoked as (${revokeUserTokens(sql, sql`changed`)})
    select ${columns(sql)} from changed as users`;
  return changed && toUser(changed);
}

export async function enableUser(sql: Sql, request: RequestRecord): Promise<User | undefined> {
  const [changed] = await sql<UserRow[]>`
    with request as (${useRequest(sql, request, sql`users where id = ${request.resourceId}::uuid`)})
    update users set disable_time = null, disable_reason = null
    from request where users.id = request.resource_id::uuid
    returning ${columns(sql)}`;
  return changed && toUser(changed);
}

export async function openPasswordReset(
  sql: Sql,
  userId: string,
  reset: NewPasswordReset,
): Promise<Date | undefined> {
  const [opened] = await sql<{ expireTime: Date }[]>`
    update users set ${opening(sql, reset)} where id = ${userId}
    returning reset_expire_time as expire_time`;
  return opened?.expireTime;
}

export async function findPasswordReset(sql: Sql, tokenHash: string): Promise<User | undefined> {
  const [user] = await sql<UserRow[]>`
    select ${columns(sql)} from users
    where reset_token_hash = ${tokenHash} and reset_expire_time > now()`;
  return user && toUser(user);
}

export async function resetPassword(
  sql: Sql,
  tokenHash: string,
  passwordHash: string,
): Promise<User | undefined> {
  const [changed] = await sql<UserRow[]>`
    with changed as (
      update users set password_hash = ${passwordHash}, session_epoch = session_epoch + 1,
        token_version = token_version + 1, reset_token_hash = null, reset_expire_time = null
      where reset_token_hash = ${tokenHash} and reset_expire_time > now()
      returning users.*
    ), revoked as (${revokeUserTokens(sql, sql`changed`)})
    select ${columns(sql)} from changed as users`;
  return changed && toUser(changed);
}

export async function recoverAdmin(
  sql: Sql,
  email: string,
  reset: NewPasswordReset,
): Promise<User | undefined> {
  const [changed] = await sql<UserRow[]>`
    with changed as (
      update users set
        roles = case when roles @> '["admin"]'::jsonb then roles else roles || '["admin"]'::jsonb end,
        disable_time = null, disable_reason = null, session_epoch = session_epoch + 1,
        token_version = token_version + 1, ${opening(sql, reset)}
      where email = ${email}
      returning users.*
    ), revoked as (${revokeUserTokens(sql, sql`changed`)})
    select ${columns(sql)} from changed as users`;
  return changed && toUser(changed);
}

export async function findUser(sql: Sql, id: string): Promise<User | undefined> {
  const [user] = await sql<UserRow[]>`select ${columns(sql)} from users where id = ${id}`;
  return user && toUser(user);
}

export async function findCredentials(sql: Sql, email: string): Promise<Credentials | undefined> {
  const [row] = await sql<(UserRow & Omit<Credentials, "user">)[]>`
    select ${columns(sql)}, password_hash, session_epoch, token_version from users where email = ${email}`;
  if (row === undefined) return undefined;
  const { passwordHash, sessionEpoch, tokenVersion, ...user } = row;
  return { user: toUser(user), passwordHash, sessionEpoch, tokenVersion };
}

export async function replacePasswordHash(
  sql: Sql,
  userId: string,
  from: string,
  to: string,
): Promise<void> {
  await sql`update users set password_hash = ${to} where id = ${userId} and password_hash = ${from}`;
}

export async function listUsers(
  sql: Sql,
  page: Parameters<UserStore["listUsers"]>[0],
): Promise<User[]> {
  const rows = await sql<UserRow[]>`
    select ${columns(sql)} from users
    where starts_with(email, ${page.emailPrefix}) ${page.before === undefined ? sql`` : sql`and id < ${page.before}`}
    order by id desc limit ${page.limit}`;
  return rows.map(toUser);
}

/** The columns of a `User`: the password hash is not one of them. */
export const columns = (sql: Sql) =>
  sql`users.id, users.email, users.display_name, users.roles, users.create_time, users.disable_time, users.disable_reason`;

export interface UserRow extends Omit<User, "disableTime" | "disableReason"> {
  readonly disableTime: Date | null;
  readonly disableReason: string | null;
}

export const toUser = ({ disableTime, disableReason, ...user }: UserRow): User =>
  disableTime === null ? user : { ...user, disableTime, disableReason: disableReason ?? "" };

const opening = (sql: Sql, { tokenHash, lifetimeMs }: NewPasswordReset) =>
  sql`reset_token_hash = ${tokenHash}, reset_expire_time = now() + ${milliseconds(sql, lifetimeMs)}`;

/** The index `users_admins_idx` has the same condition. */
const isEnabledAdmin = (sql: Sql) => sql`roles @> '["admin"]'::jsonb and disable_time is null`;

/**
 * Returns the parts of a `with` that record the request unless the change would leave no enabled
 * admin. They lock the user and every enabled admin, in one order, before they look: of two
 * statements that would each remove the other one's admin, the second waits, reads the rows as the
 * first left them, and changes nothing. An admin who appears meanwhile is not counted.
 */
const useAdminRequest = (sql: Sql, request: RequestRecord, remainsAdmin: boolean) => sql`
  locked as materialized (
    select id, (${isEnabledAdmin(sql)}) as is_admin from users
    where id = ${request.resourceId}::uuid or (${isEnabledAdmin(sql)})
    order by id for no key update
  ), allowed as (
    select from locked as target
    where id = ${request.resourceId}::uuid and (
      ${remainsAdmin}::boolean or not is_admin
      or exists (select from locked as other where other.is_admin and other.id <> target.id)
    )
  ), request as (${useRequest(sql, request, sql`allowed`)})`;

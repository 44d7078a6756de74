import { type RequestRecord, type Sql, useRequest, violates } from "@tercet/service";
import { emailTaken } from "./errors.ts";
import type { NewUser, UserStore } from "./store.ts";
import type { User, UserRole } from "./user.ts";

export async function createUser(
  sql: Sql,
  user: NewUser,
  request: RequestRecord,
): Promise<User | undefined> {
  const [created] = await sql<User[]>`
    with request as (${useRequest(sql, request)})
    insert into users (id, email, display_name, password_hash, roles)
    select resource_id::uuid, ${user.email}, ${user.displayName}, ${user.passwordHash}, ${sql.json([...user.roles])}::jsonb from request
    returning ${columns(sql)}`.catch((error: unknown) => {
    throw violates(error, "users_email_key") ? emailTaken() : error;
  });
  return created;
}

export async function setRoles(
  sql: Sql,
  roles: readonly UserRole[],
  request: RequestRecord,
): Promise<User | undefined> {
  const [changed] = await sql<User[]>`
    with request as (${useRequest(sql, request, sql`users where id = ${request.resourceId}::uuid`)})
    update users set roles = ${sql.json([...roles])}::jsonb
    from request where users.id = request.resource_id::uuid
    returning ${columns(sql)}`;
  return changed;
}

export async function findUser(sql: Sql, id: string): Promise<User | undefined> {
  const [user] = await sql<User[]>`select ${columns(sql)} from users where id = ${id}`;
  return user;
}

export async function findCredentials(
  sql: Sql,
  email: string,
): ReturnType<UserStore["findCredentials"]> {
  const [row] = await sql<
    (User & { passwordHash: string })[]
  >`select ${columns(sql)}, password_hash from users where email = ${email}`;
  if (row === undefined) return undefined;
  const { passwordHash, ...user } = row;
  return { user, passwordHash };
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
  return await sql<User[]>`
    select ${columns(sql)} from users
    where starts_with(email, ${page.emailPrefix}) ${page.before === undefined ? sql`` : sql`and id < ${page.before}`}
    order by id desc limit ${page.limit}`;
}

/** The columns of a `User`: the password hash is not one of them. */
export const columns = (sql: Sql) =>
  sql`users.id, users.email, users.display_name, users.roles, users.create_time`;

import { create } from "@bufbuild/protobuf";
import { Role } from "@tercet/gen/common/v1/access";
import {
  IssuePasswordResetResponseSchema,
  ListUsersResponseSchema,
  type User,
  UserSchema,
} from "@tercet/gen/identity/v1/identity";
import { Command } from "commander";
import { validate as isUuid } from "uuid";
import type { Api } from "./api.ts";
import {
  type CommandProcess,
  choiceOf,
  connect,
  firstOf,
  limit,
  once,
  withRequestId,
} from "./context.ts";
import { AdminError } from "./errors.ts";
import { nameOf, timeText } from "./format.ts";
import type { Output } from "./output.ts";

const ROLES = ["CUSTOMER", "OPERATOR", "ADMIN"];
const parseRole = choiceOf(ROLES);
const WHO = "email address or id";

export function userCommands(process: CommandProcess): Command {
  const users = new Command("users").description("manage users, as an administrator");

  users
    .command("list")
    .description("list users, newest first")
    .argument("[prefix]", "only users whose email address starts with it", "")
    .option("--limit <n>", "how many", limit, 50)
    .action(async (filter, options, command) => {
      const { api, output } = connect(process, command);
      const found = await firstOf(options.limit, {
        output,
        fetch: async (page) => {
          const response = await api.identity.listUsers({ ...page, filter });
          return { items: response.users, nextPageToken: response.nextPageToken };
        },
      });
      output.list(
        ListUsersResponseSchema,
        create(ListUsersResponseSchema, { users: found }),
        ["USER", "EMAIL", "NAME", "ROLES", "CREATED", "DISABLED"],
        found.map((user) => [
          user.id,
          user.email,
          user.displayName,
          rolesText(user),
          timeText(user.createTime),
          timeText(user.disableTime),
        ]),
      );
    });

  withRequestId(
    users
      .command("roles")
      .description("replace a user's roles")
      .argument("<user>", WHO)
      .argument("<role...>", ROLES.join(", "), (role: string, all: string[] = []) => [
        ...all,
        parseRole(role),
      ]),
  ).action(async (who, names, options, command) => {
    const { api, output } = connect(process, command);
    const userId = await idOf(api, who);
    const roles = (names as string[]).map((name) => Role[name as keyof typeof Role]);
    const set = (requestId: string) => api.identity.setRoles({ userId, roles, requestId });
    showUser(output, await once(options, set));
  });

  withRequestId(
    users
      .command("disable")
      .description("end a user's sessions within 5 s, and refuse new ones")
      .argument("<user>", WHO)
      .requiredOption("--reason <text>", "why, stored with the user"),
  ).action(async (who, options, command) => {
    const { api, output } = connect(process, command);
    const userId = await idOf(api, who);
    const { reason } = options;
    const disable = (requestId: string) => api.identity.disableUser({ userId, reason, requestId });
    showUser(output, await once(options, disable));
  });

  withRequestId(
    users.command("enable").description("let a disabled user log in again").argument("<user>", WHO),
  ).action(async (who, options, command) => {
    const { api, output } = connect(process, command);
    const userId = await idOf(api, who);
    const enable = (requestId: string) => api.identity.enableUser({ userId, requestId });
    showUser(output, await once(options, enable));
  });

  users
    .command("reset")
    .description("issue a token with which the user sets a new password: see set-password")
    .argument("<user>", WHO)
    .action(async (who, _options, command) => {
      const { api, output } = connect(process, command);
      const userId = await idOf(api, who);
      const response = await api.identity.issuePasswordReset({ userId });
      output.one(IssuePasswordResetResponseSchema, response, [
        ["reset token", response.resetToken],
        ["valid until", timeText(response.expireTime)],
      ]);
    });

  return users;
}

const MAX_PAGES = 10;

/** Resolves to the id of the user with exactly this address. */
async function idOf({ identity }: Api, who: string): Promise<string> {
  if (isUuid(who)) return who.toLowerCase();
  const email = who.toLowerCase().normalize("NFC");
  let pageToken = "";
  for (let page = 0; page < MAX_PAGES; page++) {
    const response = await identity.listUsers({ filter: email, pageSize: 100, pageToken });
    const user = response.users.find((one) => one.email === email);
    if (user !== undefined) return user.id;
    pageToken = response.nextPageToken;
    if (pageToken === "") break;
  }
  throw new AdminError(`no user has the address ${who}`);
}

const rolesText = ({ roles }: User): string => roles.map((role) => nameOf(Role, role)).join(", ");

export function showUser(output: Output, user: User): void {
  output.one(UserSchema, user, [
    ["user", user.id],
    ["email", user.email],
    ["name", user.displayName],
    ["roles", rolesText(user)],
    ["created", timeText(user.createTime)],
    ["disabled", timeText(user.disableTime)],
    ["reason", user.disableReason],
  ]);
}

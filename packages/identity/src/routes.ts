import { durationFromMs, timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { ConnectRouter } from "@connectrpc/connect";
import {
  DisableUserRequestSchema,
  EnableUserRequestSchema,
  IdentityService,
  SetRolesRequestSchema,
} from "@tercet/gen/identity/v1/identity";
import {
  callerAddress,
  decodePageToken,
  markReplayed,
  notFound,
  pageSize,
  principal,
  toPage,
  toRequest,
} from "@tercet/service";
import { validate as isUuid } from "uuid";
import { changeOnce, register } from "./accounts.ts";
import { newDeviceToken } from "./device.ts";
import * as events from "./events.ts";
import type { IdentityDeps } from "./identity-deps.ts";
import { authenticate } from "./login.ts";
import { toAdminMessage, toMessage, toRole, toSessionMessage, toTokenResponse } from "./message.ts";
import { issuePasswordReset, resetPassword } from "./password-reset.ts";
import { issueServiceToken } from "./service-clients.ts";
import {
  changePassword,
  closeSession,
  openSession,
  refresh,
  revokeAllSessions,
  revokeSession,
  sessionOf,
} from "./sessions.ts";
import type { IdentityStore } from "./store.ts";
import { normalizeEmail, type User } from "./user.ts";

/** The handlers of identity.v1.IdentityService. */
export const identityRoutes = (deps: IdentityDeps) => (router: ConnectRouter) => {
  const { store, log } = deps;
  router.service(IdentityService, {
    async register(request, context) {
      const { user, replayed } = await register(
        deps,
        request,
        callerAddress(context),
        context.signal,
      );
      if (replayed) markReplayed(context);
      else events.registered(log, user.id);
      return toMessage(user);
    },

    async login(request, context) {
      const { email, password, deviceToken } = request;
      const attempt = { email, password, deviceToken, address: callerAddress(context) };
      const credentials = await authenticate(deps, attempt, context.signal);
      return {
        ...toTokenResponse(await openSession(deps, credentials)),
        deviceToken: newDeviceToken(credentials),
      };
    },

    async refresh({ refreshToken }) {
      return toTokenResponse(await refresh(deps, refreshToken));
    },

    async logout({ refreshToken }) {
      await closeSession(deps, refreshToken);
      return {};
    },

    async getMe(_request, context) {
      return toMessage(await findCaller(store, principal(context).subject));
    },

    async changePassword(request, context) {
      const caller = principal(context);
      return { deviceToken: await changePassword(deps, caller, request, context.signal) };
    },

    async listSessions({ pageSize: requested, pageToken }, context) {
      const { id, userId } = sessionOf(principal(context));
      const size = pageSize(requested);
      const page = { userId, limit: size + 1, before: decodePageToken(pageToken) };
      const { rows, nextPageToken } = toPage(await store.listSessions(page), size, (one) => one.id);
      return { sessions: rows.map((one) => toSessionMessage(one, id)), nextPageToken };
    },

    async revokeSession({ sessionId }, context) {
      await revokeSession(deps, principal(context), sessionId);
      return {};
    },

    async revokeAllSessions(_request, context) {
      await revokeAllSessions(deps, principal(context));
      return {};
    },

    async issueServiceToken(request) {
      const { token, lifetimeSeconds } = await issueServiceToken(deps, request);
      const expiresIn = durationFromMs(lifetimeSeconds * 1_000);
      return { accessToken: token, expiresIn, tokenType: "Bearer" };
    },

    async listUsers({ filter, pageSize: requested, pageToken }) {
      const size = pageSize(requested);
      const page = {
        limit: size + 1,
        before: decodePageToken(pageToken),
        emailPrefix: normalizeEmail(filter),
      };
      const { rows, nextPageToken } = toPage(await store.listUsers(page), size, ({ id }) => id);
      return { users: rows.map(toAdminMessage), nextPageToken };
    },

    async setRoles(request, context) {
      const record = toRequest(context, SetRolesRequestSchema, request, request.userId);
      const roles = request.roles.map(toRole);
      const change = () => store.setRoles(roles, record);
      const { user, replayed } = await changeOnce(store, record, change);
      if (replayed) markReplayed(context);
      else events.rolesChanged(log, user.id, user.roles, record.caller);
      return toAdminMessage(user);
    },

    async disableUser(request, context) {
      const record = toRequest(context, DisableUserRequestSchema, request, request.userId);
      const change = () => store.disableUser(request.reason, record);
      const { user, replayed } = await changeOnce(store, record, change);
      if (replayed) markReplayed(context);
      else events.userDisabled(log, user.id, record.caller);
      return toAdminMessage(user);
    },

    async enableUser(request, context) {
      const record = toRequest(context, EnableUserRequestSchema, request, request.userId);
      const { user, replayed } = await changeOnce(store, record, () => store.enableUser(record));
      if (replayed) markReplayed(context);
      else events.userEnabled(log, user.id, record.caller);
      return toAdminMessage(user);
    },

    async issuePasswordReset({ userId }, context) {
      const { resetToken, expireTime } = await issuePasswordReset(deps, userId);
      events.passwordResetIssued(log, userId, principal(context).subject);
      return { resetToken, expireTime: timestampFromDate(expireTime) };
    },

    async resetPassword(request, context) {
      await resetPassword(deps, request, context.signal);
      return {};
    },
  });
};

/** A service is a caller too, but not a user. */
async function findCaller(store: IdentityStore, subject: string): Promise<User> {
  const user = isUuid(subject) ? await store.findUser(subject) : undefined;
  if (user === undefined) throw notFound("user");
  return user;
}

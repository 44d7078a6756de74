import { durationFromMs } from "@bufbuild/protobuf/wkt";
import type { ConnectRouter } from "@connectrpc/connect";
import { IdentityService } from "@tercet/gen/identity/v1/identity";
import {
  decodePageToken,
  markReplayed,
  notFound,
  pageSize,
  principal,
  toPage,
} from "@tercet/service";
import { validate as isUuid } from "uuid";
import { register, setRoles } from "./accounts.ts";
import type { IdentityEvents } from "./events.ts";
import { authenticate } from "./login.ts";
import { toMessage, toTokenResponse } from "./message.ts";
import type { Passwords } from "./password.ts";
import { issueServiceToken, type ServiceClient } from "./service-clients.ts";
import { closeSession, openSession, refresh } from "./sessions.ts";
import type { IdentityStore } from "./store.ts";
import type { AccessTokens } from "./tokens.ts";
import { normalizeEmail, type User } from "./user.ts";

export interface IdentityRoutes {
  readonly store: IdentityStore;
  readonly passwords: Passwords;
  readonly tokens: AccessTokens;
  readonly clients: readonly ServiceClient[];
  readonly events: IdentityEvents;
  /** How long a login lasts without a password: milliseconds. */
  readonly sessionLifetime: number;
}

export const identityRoutes = (identity: IdentityRoutes) => (router: ConnectRouter) => {
  const { store, passwords, events } = identity;

  router.service(IdentityService, {
    async register(request, context) {
      const { user, replayed } = await register(
        { users: store, passwords },
        request,
        context.signal,
      );
      if (replayed) markReplayed(context);
      else events.registered(user.id);
      return toMessage(user);
    },

    async login(request, context) {
      const user = await authenticate(identity, request, context.signal);
      events.loggedIn(user.id);
      return toTokenResponse(await openSession(identity, user, identity.sessionLifetime));
    },

    async refresh({ refreshToken }) {
      return toTokenResponse(await refresh(identity, refreshToken));
    },

    async logout({ refreshToken }) {
      await closeSession(identity, refreshToken);
      return {};
    },

    async getMe(_request, context) {
      return toMessage(await findCaller(store, principal(context).subject));
    },

    async issueServiceToken(request) {
      const { token, expiresIn } = await issueServiceToken(identity, request);
      return {
        accessToken: token,
        expiresIn: durationFromMs(expiresIn * 1000),
        tokenType: "Bearer",
      };
    },

    async listUsers({ filter, pageSize: requested, pageToken }) {
      const size = pageSize(requested);
      const page = {
        limit: size + 1,
        before: decodePageToken(pageToken),
        emailPrefix: normalizeEmail(filter),
      };
      const { rows, nextPageToken } = toPage(await store.listUsers(page), size, ({ id }) => id);
      return { users: rows.map(toMessage), nextPageToken };
    },

    async setRoles(request, context) {
      const caller = principal(context).subject;
      const { user, replayed } = await setRoles(store, caller, request);
      if (replayed) markReplayed(context);
      else events.rolesChanged(user.id, user.roles, caller);
      return toMessage(user);
    },
  });
};

/** A service is a caller too, but not a user. */
async function findCaller(store: IdentityStore, subject: string): Promise<User> {
  const user = isUuid(subject) ? await store.findUser(subject) : undefined;
  if (user === undefined) throw notFound("user");
  return user;
}
